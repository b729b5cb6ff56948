package userlist_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"signalbox/handlers/testkit"
	"signalbox/handlers/userlist"
	"signalbox/store"
)

// user returns a user as it stands in JSON.
func user(id, name, room string) string {
	return fmt.Sprintf(`{"id":%q,"name":%q,"room":%q}`, id, name, room)
}

func entered(name string) string {
	return `notification {"title":"Someone's here","description":"` + name + ` just entered the room"}`
}

func left(name string) string {
	return `notification {"title":"Someone just left","description":"` + name + ` just left the room"}`
}

func TestLoginAndLogout(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b, other := w.Connect(t, "a"), w.Connect(t, "b"), w.Connect(t, "o")
	other.Login("Zoe", "elsewhere")
	ann, bob := user("a", "Ann", "r"), user("b", "Bob", "r")

	a.Ask("login", `{"name":"Ann","room":"r"}`)
	a.Want(t, `users [`+ann+`]`, `ack {"user":`+ann+`}`)

	b.Ask("login", `{"name":" Bob ","room":"\tr\ufeff"}`)
	a.Want(t, entered("Bob"), `users [`+ann+`,`+bob+`]`)
	b.Want(t, `users [`+ann+`,`+bob+`]`, `ack {"user":`+bob+`}`)

	if u, ok, err := w.Users.FindUser(t.Context(), "b"); !ok || err != nil || u != (store.User{ID: "b", Name: "Bob", Room: "r"}) {
		t.Errorf("FindUser(b) = %v, %v, %v, want Bob", u, ok, err)
	}

	a.Ask("logout")
	a.Want(t, `ack`)
	b.Want(t, left("Ann"), `users [`+bob+`]`)

	a.Ask("logout") // not logged in any more
	a.Want(t, `ack`)
	b.Want(t)

	a.Ask("login", `{"name":"Ann","room":"r"}`) // and back, as the last of the list
	b.Want(t, entered("Ann"), `users [`+bob+`,`+ann+`]`)
	a.Want(t, `users [`+bob+`,`+ann+`]`, `ack {"user":`+ann+`}`)
	other.Want(t)
}

func TestLoginIsChecked(t *testing.T) {
	const bad = `ack {"error":"No room or name provided"}`
	cases := map[string]struct {
		args []string
		want string // of the callback; the user's name is a, the room r
	}{
		"good":                        {[]string{`{"name":"a","room":"r"}`}, ""},
		"more members":                {[]string{`{"x":1,"room":"r","name":"a","id":"forged"}`}, ""},
		"a second argument":           {[]string{`{"name":"a","room":"r"}`, `1`}, ""},
		"the last of equal keys":      {[]string{`{"name":7,"room":"q","name":"a","room":"r"}`}, ""},
		"escaped keys":                {[]string{`{"n\u0061me":"\u0061","room":"r"}`}, ""},
		"all that JavaScript trims":   {[]string{`{"name":"\t\n\u000b\f\r \u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeffa","room":"r \n"}`}, ""},
		"no argument":                 {nil, bad},
		"null":                        {[]string{`null`}, bad},
		"a string":                    {[]string{`"a"`}, bad},
		"a list":                      {[]string{`["a","r"]`}, bad},
		"an empty object":             {[]string{`{}`}, bad},
		"no room":                     {[]string{`{"name":"a"}`}, bad},
		"no name":                     {[]string{`{"room":"r"}`}, bad},
		"an empty name":               {[]string{`{"name":"","room":"r"}`}, bad},
		"an empty room":               {[]string{`{"name":"a","room":""}`}, bad},
		"only space":                  {[]string{`{"name":" ","room":"r"}`}, bad},
		"a number":                    {[]string{`{"name":5,"room":"r"}`}, bad},
		"a number for a room":         {[]string{`{"name":"a","room":5}`}, bad},
		"null for a name":             {[]string{`{"name":null,"room":"r"}`}, bad},
		"an object for a name":        {[]string{`{"name":{"a":1},"room":"r"}`}, bad},
		"a list for a room":           {[]string{`{"name":"a","room":["r"]}`}, bad},
		"a later key that is bad":     {[]string{`{"name":"a","room":"r","name":5}`}, bad},
		"a space inside":              {[]string{`{"name":"a b","room":"r"}`}, bad},
		"an underscore":               {[]string{`{"name":"a_b","room":"r"}`}, bad},
		"a letter beyond ASCII":       {[]string{`{"name":"é","room":"r"}`}, bad},
		"a next line is not trimmed":  {[]string{`{"name":"a\u0085","room":"r"}`}, bad},
		"a zero width space is not":   {[]string{`{"name":"a\u200b","room":"r"}`}, bad},
		"half a surrogate pair":       {[]string{`{"name":"a\ud800","room":"r"}`}, bad},
		"markup":                      {[]string{`{"name":"<b>","room":"r"}`}, bad},
		"a name beyond the limit":     {[]string{`{"name":"` + strings.Repeat("a", userlist.MaxNameBytes+1) + `","room":"r"}`}, bad},
		"keys in another case":        {[]string{`{"Name":"a","Room":"r"}`}, bad},
		"name and room further below": {[]string{`{"user":{"name":"a","room":"r"}}`}, bad},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := testkit.NewWorld(t, testkit.RootOptions{})
			s, witness := w.Connect(t, "s"), w.Connect(t, "w")
			witness.Login("w", "r")
			s.Ask("login", c.args...)
			if c.want == "" {
				s.Want(t, `users [`+user("w", "w", "r")+`,`+user("s", "a", "r")+`]`, `ack {"user":`+user("s", "a", "r")+`}`)
				return
			}
			s.Want(t, c.want)
			witness.Want(t)
			s.Login("a", "r") // a mistake does not stand in the way
			witness.Want(t, entered("a"), `users [`+user("w", "w", "r")+`,`+user("s", "a", "r")+`]`)
			if stats := w.Chat.Stats(); stats.Logins.Load() != 2 || stats.LoginsRefused.Load() != 1 {
				t.Errorf("Stats = %d logins, %d refused, want 2, 1", stats.Logins.Load(), stats.LoginsRefused.Load())
			}
		})
	}
}

func TestNameAsLongAsAllowed(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a := w.Connect(t, "a")
	name := strings.Repeat("a", userlist.MaxNameBytes)
	a.Ask("login", `{"name":" `+name+` ","room":"r"}`)
	a.Want(t, `users [`+user("a", name, "r")+`]`, `ack {"user":`+user("a", name, "r")+`}`)
}

func TestOneSocketIsOneUser(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Login("Ann", "r")
	for _, again := range []string{`{"name":"Ann","room":"r"}`, `{"name":"Bob","room":"r"}`, `{"name":"Ann","room":"q"}`} {
		a.Ask("login", again)
		a.Want(t, `ack {"error":"user already exists"}`)
	}
	a.Ask("login", `{"name":"","room":"q"}`)
	a.Want(t, `ack {"error":"No room or name provided"}`)

	b.Login("Ann", "r") // equal names are fine
	a.Want(t, entered("Ann"), `users [`+user("a", "Ann", "r")+`,`+user("b", "Ann", "r")+`]`)

	a.Ask("logout")
	a.Login("Ann", "q") // another room, one at a time
	b.Want(t, left("Ann"), `users [`+user("b", "Ann", "r")+`]`)
	b.Ask("roomMessage", `1`)
	a.Want(t)
}

func TestEventsThatNeedACallback(t *testing.T) {
	for _, event := range []string{"login", "logout", "ping"} {
		t.Run(event, func(t *testing.T) {
			w := testkit.NewWorld(t, testkit.RootOptions{})
			a, b := w.Connect(t, "a"), w.Connect(t, "b")
			a.Login("Ann", "r")
			b.Login("Bob", "r")
			a.Take()
			b.Say(event, `{"name":"Bob","room":"r"}`)
			b.Want(t, "disconnect")
			a.Want(t) // not before the connection has ended
			b.Ask("ping")
			b.Ask("roomMessage", `1`)
			b.Ask("e", `{"recipientUserId":1}`)
			b.Want(t) // what else was on its way is not looked at
			w.End(b)
			a.Want(t, left("Bob"), `users [`+user("a", "Ann", "r")+`]`)
			if stats := w.Chat.Stats(); stats.MissingCallbacks.Load() != 1 || stats.Logouts.Load() != 1 {
				t.Errorf("Stats = %d missing callbacks, %d logouts, want 1, 1", stats.MissingCallbacks.Load(), stats.Logouts.Load())
			}
		})
	}
	t.Run("login by a stranger", func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		a := w.Connect(t, "a")
		a.Say("login", `{"name":"Ann","room":"r"}`)
		a.Want(t, "disconnect")
		if users, err := w.Users.GetRoomUsers(t.Context(), "r"); len(users) != 0 || err != nil {
			t.Errorf("GetRoomUsers = %v, %v, want nobody", users, err)
		}
	})
}

func TestPing(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a := w.Connect(t, "a")
	a.Ask("ping")
	a.Want(t, `ack "a"`)
	a.Ask("ping", `{"x":1}`)
	a.Want(t, `ack "a"`)
}

func TestRoomMessage(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b, other, stranger := w.Connect(t, "a"), w.Connect(t, "b"), w.Connect(t, "o"), w.Connect(t, "s")
	a.Login("Ann", "r")
	b.Login("Bob", "r")
	other.Login("Zoe", "q")
	a.Take()
	everybody := func(t *testing.T, want string) {
		t.Helper()
		a.Want(t, want)
		b.Want(t, want)
		other.Want(t)
		stranger.Want(t)
	}
	for _, m := range []string{`"U2FsdGVkX1\/+"`, `{"a" : 1.0,"b":"\u00e9<&>"}`, `null`, `[1,2]`, `1e2`, `true`, `""`, `"é"`} {
		a.Say("roomMessage", m)
		everybody(t, `roomMessage {"message":`+m+`,"from":"Ann"}`)
	}
	b.Say("roomMessage")
	everybody(t, `roomMessage {"from":"Bob"}`)
	b.Say("roomMessage", `1`, `2`)
	everybody(t, `roomMessage {"message":1,"from":"Bob"}`)
	b.Event(false, [][]byte{{1}, {2}}, "roomMessage", `{"file":{"_placeholder":true,"num":0}}`, `{"_placeholder":true,"num":1}`)
	everybody(t, `roomMessage {"message":{"file":{"_placeholder":true,"num":0}},"from":"Bob"} <01>`)

	stranger.Say("roomMessage", `1`)
	for _, c := range []*testkit.Client{a, b, other, stranger} {
		c.Want(t)
	}
	stranger.Ask("roomMessage", `1`)
	stranger.Want(t, `ack {"ok":false,"error":"not logged in"}`)
	a.Ask("roomMessage", `1`)
	a.Want(t, `roomMessage {"message":1,"from":"Ann"}`, `ack {"ok":true}`)

	a.Ask("logout")
	a.Take()
	a.Say("roomMessage", `1`)
	a.Want(t)
}

func TestDisconnectIsLogout(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b, stranger := w.Connect(t, "a"), w.Connect(t, "b"), w.Connect(t, "s")
	a.Login("Ann", "r")
	b.Login("Bob", "r")
	a.Take()
	w.End(stranger)
	a.Want(t)
	w.End(b)
	a.Want(t, left("Bob"), `users [`+user("a", "Ann", "r")+`]`)
	b.Want(t)
	w.End(a)
	if _, ok, err := w.Users.FindUser(t.Context(), "a"); ok || err != nil {
		t.Errorf("FindUser = %v, %v, want false, nil", ok, err)
	}
	if n := w.Chat.Lists(); n != 0 {
		t.Errorf("%d lobbies are left, want 0", n)
	}
	if n := len(w.Hub.Counts()); n != 0 {
		t.Errorf("%d kinds of rooms are left, want 0", n)
	}
}

// failingStore is a store in memory whose calls fail while they are told to.
type failingStore struct {
	*store.Memory
	save, delete, list atomic.Bool
}

var errAway = errors.New("the store is away")

func (s *failingStore) SaveUser(ctx context.Context, u store.User) (bool, error) {
	added, err := s.Memory.SaveUser(ctx, u)
	if s.save.Load() {
		return false, errAway // it was saved all the same
	}
	return added, err
}

func (s *failingStore) DeleteUser(ctx context.Context, id string) (store.User, bool, error) {
	if s.delete.Load() {
		return store.User{}, false, errAway
	}
	return s.Memory.DeleteUser(ctx, id)
}

func (s *failingStore) GetRoomUsers(ctx context.Context, room string) ([]store.User, error) {
	if s.list.Load() {
		return nil, errAway
	}
	return s.Memory.GetRoomUsers(ctx, room)
}

func newFailingWorld(t *testing.T) (*testkit.World, *failingStore) {
	users := &failingStore{Memory: store.NewMemory()}
	w := testkit.NewWorld(t, testkit.RootOptions{Users: users})
	w.Users = users.Memory
	return w, users
}

func TestLoginWhileTheStoreFails(t *testing.T) {
	w, users := newFailingWorld(t)
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Login("Ann", "r")
	users.save.Store(true)
	b.Ask("login", `{"name":"Bob","room":"r"}`)
	b.Want(t, `ack {"error":"user store unavailable"}`)
	users.save.Store(false)
	b.Ask("login", `{"name":"Bob","room":"r"}`)
	b.Want(t, `users [`+user("a", "Ann", "r")+`,`+user("b", "Bob", "r")+`]`, `ack {"user":`+user("b", "Bob", "r")+`}`)
	users.delete.Store(true)
	b.Ask("logout")
	b.Want(t, `ack`)
	a.Ask("roomMessage", `1`)
	b.Want(t)
	if stats := w.Chat.Stats(); stats.StoreErrors.Load() != 2 {
		t.Errorf("StoreErrors = %d, want 2", stats.StoreErrors.Load())
	}
}

func TestTheSameIDInTheStoreAlready(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	if _, err := w.Users.SaveUser(t.Context(), store.User{ID: "a", Name: "Ann", Room: "q"}); err != nil {
		t.Fatal(err)
	}
	a := w.Connect(t, "a")
	a.Ask("login", `{"name":"Ann","room":"r"}`)
	a.Want(t, `ack {"error":"user already exists"}`)
	a.Ask("roomMessage", `1`)
	a.Want(t, `ack {"ok":false,"error":"not logged in"}`)
}

func TestListOfUsersIsJSON(t *testing.T) {
	users := []store.User{{ID: `q"\`, Name: "a\nb", Room: "é\u2028<"}, {ID: "plain", Name: "", Room: "r"}}
	var got []store.User
	if err := json.Unmarshal(userlist.ListMessage(users).Args[0], &got); err != nil {
		t.Fatalf("%s: %v", userlist.ListMessage(users).Args[0], err)
	}
	for i := range users {
		if got[i] != users[i] {
			t.Errorf("user %d = %q, want %q", i, got[i], users[i])
		}
	}
	if got := string(userlist.ListMessage(nil).Args[0]); got != "[]" {
		t.Errorf("list of nobody = %s, want []", got)
	}
}
