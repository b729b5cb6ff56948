package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"signalbox/server/hub"
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

// login logs c in and forgets what it was sent.
func (c *client) login(name, room string) {
	c.ask("login", `{"name":"`+name+`","room":"`+room+`"}`)
	c.take()
}

func TestLoginAndLogout(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b, other := w.connect(t, "a"), w.connect(t, "b"), w.connect(t, "o")
	other.login("Zoe", "elsewhere")
	ann, bob := user("a", "Ann", "r"), user("b", "Bob", "r")

	a.ask("login", `{"name":"Ann","room":"r"}`)
	a.want(t, `users [`+ann+`]`, `ack {"user":`+ann+`}`)

	b.ask("login", `{"name":" Bob ","room":"\tr\ufeff"}`)
	a.want(t, entered("Bob"), `users [`+ann+`,`+bob+`]`)
	b.want(t, `users [`+ann+`,`+bob+`]`, `ack {"user":`+bob+`}`)

	if u, ok, err := w.users.FindUser(t.Context(), "b"); !ok || err != nil || u != (store.User{ID: "b", Name: "Bob", Room: "r"}) {
		t.Errorf("FindUser(b) = %v, %v, %v, want Bob", u, ok, err)
	}

	a.ask("logout")
	a.want(t, `ack`)
	b.want(t, left("Ann"), `users [`+bob+`]`)

	a.ask("logout") // not logged in any more
	a.want(t, `ack`)
	b.want(t)

	a.ask("login", `{"name":"Ann","room":"r"}`) // and back, as the last of the list
	b.want(t, entered("Ann"), `users [`+bob+`,`+ann+`]`)
	a.want(t, `users [`+bob+`,`+ann+`]`, `ack {"user":`+ann+`}`)
	other.want(t)
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
		"a name beyond the limit":     {[]string{`{"name":"` + strings.Repeat("a", MaxNameBytes+1) + `","room":"r"}`}, bad},
		"keys in another case":        {[]string{`{"Name":"a","Room":"r"}`}, bad},
		"name and room further below": {[]string{`{"user":{"name":"a","room":"r"}}`}, bad},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, RootOptions{})
			s, witness := w.connect(t, "s"), w.connect(t, "w")
			witness.login("w", "r")
			s.ask("login", c.args...)
			if c.want == "" {
				s.want(t, `users [`+user("w", "w", "r")+`,`+user("s", "a", "r")+`]`, `ack {"user":`+user("s", "a", "r")+`}`)
				return
			}
			s.want(t, c.want)
			witness.want(t)
			s.login("a", "r") // a mistake does not stand in the way
			witness.want(t, entered("a"), `users [`+user("w", "w", "r")+`,`+user("s", "a", "r")+`]`)
			if stats := w.root.Stats(); stats.Logins != 2 || stats.LoginsRefused != 1 {
				t.Errorf("Stats = %d logins, %d refused, want 2, 1", stats.Logins, stats.LoginsRefused)
			}
		})
	}
}

func TestNameAsLongAsAllowed(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a := w.connect(t, "a")
	name := strings.Repeat("a", MaxNameBytes)
	a.ask("login", `{"name":" `+name+` ","room":"r"}`)
	a.want(t, `users [`+user("a", name, "r")+`]`, `ack {"user":`+user("a", name, "r")+`}`)
}

func TestOneSocketIsOneUser(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.login("Ann", "r")
	for _, again := range []string{`{"name":"Ann","room":"r"}`, `{"name":"Bob","room":"r"}`, `{"name":"Ann","room":"q"}`} {
		a.ask("login", again)
		a.want(t, `ack {"error":"user already exists"}`)
	}
	a.ask("login", `{"name":"","room":"q"}`)
	a.want(t, `ack {"error":"No room or name provided"}`)

	b.login("Ann", "r") // equal names are fine
	a.want(t, entered("Ann"), `users [`+user("a", "Ann", "r")+`,`+user("b", "Ann", "r")+`]`)

	a.ask("logout")
	a.login("Ann", "q") // another room, one at a time
	b.want(t, left("Ann"), `users [`+user("b", "Ann", "r")+`]`)
	b.ask("roomMessage", `1`)
	a.want(t)
}

func TestEventsThatNeedACallback(t *testing.T) {
	for _, event := range []string{"login", "logout", "ping"} {
		t.Run(event, func(t *testing.T) {
			w := newWorld(t, RootOptions{})
			a, b := w.connect(t, "a"), w.connect(t, "b")
			a.login("Ann", "r")
			b.login("Bob", "r")
			a.take()
			b.send(event, `{"name":"Bob","room":"r"}`)
			b.want(t, "disconnect")
			a.want(t) // not before the connection has ended
			b.ask("ping")
			b.ask("roomMessage", `1`)
			b.ask("e", `{"recipientUserId":1}`)
			b.want(t) // what else was on its way is not looked at
			w.close(b)
			a.want(t, left("Bob"), `users [`+user("a", "Ann", "r")+`]`)
			if stats := w.root.Stats(); stats.MissingCallbacks != 1 || stats.Logouts != 1 {
				t.Errorf("Stats = %d missing callbacks, %d logouts, want 1, 1", stats.MissingCallbacks, stats.Logouts)
			}
		})
	}
	t.Run("login by a stranger", func(t *testing.T) {
		w := newWorld(t, RootOptions{})
		a := w.connect(t, "a")
		a.send("login", `{"name":"Ann","room":"r"}`)
		a.want(t, "disconnect")
		if users, err := w.users.GetRoomUsers(t.Context(), "r"); len(users) != 0 || err != nil {
			t.Errorf("GetRoomUsers = %v, %v, want nobody", users, err)
		}
	})
}

func TestPing(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a := w.connect(t, "a")
	a.ask("ping")
	a.want(t, `ack "a"`)
	a.ask("ping", `{"x":1}`)
	a.want(t, `ack "a"`)
}

func TestRoomMessage(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b, other, stranger := w.connect(t, "a"), w.connect(t, "b"), w.connect(t, "o"), w.connect(t, "s")
	a.login("Ann", "r")
	b.login("Bob", "r")
	other.login("Zoe", "q")
	a.take()
	everybody := func(t *testing.T, want string) {
		t.Helper()
		a.want(t, want)
		b.want(t, want)
		other.want(t)
		stranger.want(t)
	}
	for _, m := range []string{`"U2FsdGVkX1\/+"`, `{"a" : 1.0,"b":"\u00e9<&>"}`, `null`, `[1,2]`, `1e2`, `true`, `""`, `"é"`} {
		a.send("roomMessage", m)
		everybody(t, `roomMessage {"message":`+m+`,"from":"Ann"}`)
	}
	b.send("roomMessage")
	everybody(t, `roomMessage {"from":"Bob"}`)
	b.send("roomMessage", `1`, `2`)
	everybody(t, `roomMessage {"message":1,"from":"Bob"}`)
	b.event(false, [][]byte{{1}, {2}}, "roomMessage", `{"file":{"_placeholder":true,"num":0}}`, `{"_placeholder":true,"num":1}`)
	everybody(t, `roomMessage {"message":{"file":{"_placeholder":true,"num":0}},"from":"Bob"} <01>`)

	stranger.send("roomMessage", `1`)
	for _, c := range []*client{a, b, other, stranger} {
		c.want(t)
	}
	stranger.ask("roomMessage", `1`)
	stranger.want(t, `ack {"ok":false,"error":"not logged in"}`)
	a.ask("roomMessage", `1`)
	a.want(t, `roomMessage {"message":1,"from":"Ann"}`, `ack {"ok":true}`)

	a.ask("logout")
	a.take()
	a.send("roomMessage", `1`)
	a.want(t)
}

func TestDisconnectIsLogout(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b, stranger := w.connect(t, "a"), w.connect(t, "b"), w.connect(t, "s")
	a.login("Ann", "r")
	b.login("Bob", "r")
	a.take()
	w.close(stranger)
	a.want(t)
	w.close(b)
	a.want(t, left("Bob"), `users [`+user("a", "Ann", "r")+`]`)
	b.want(t)
	w.close(a)
	if _, ok, err := w.users.FindUser(t.Context(), "a"); ok || err != nil {
		t.Errorf("FindUser = %v, %v, want false, nil", ok, err)
	}
	if n := len(w.root.chat.lobbies.rooms); n != 0 {
		t.Errorf("%d lobbies are left, want 0", n)
	}
	if n := len(w.hub.Counts()); n != 0 {
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

func newFailingWorld(t *testing.T) (*world, *failingStore) {
	users := &failingStore{Memory: store.NewMemory()}
	w := &world{hub: hub.New(), users: users.Memory}
	w.root = NewRoot(w.hub, users, RootOptions{}, slog.New(slog.DiscardHandler))
	t.Cleanup(w.root.Close)
	return w, users
}

func TestLoginWhileTheStoreFails(t *testing.T) {
	w, users := newFailingWorld(t)
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.login("Ann", "r")
	users.save.Store(true)
	b.ask("login", `{"name":"Bob","room":"r"}`)
	b.want(t, `ack {"error":"user store unavailable"}`)
	users.save.Store(false)
	b.ask("login", `{"name":"Bob","room":"r"}`)
	b.want(t, `users [`+user("a", "Ann", "r")+`,`+user("b", "Bob", "r")+`]`, `ack {"user":`+user("b", "Bob", "r")+`}`)
	users.delete.Store(true)
	b.ask("logout")
	b.want(t, `ack`)
	a.ask("roomMessage", `1`)
	b.want(t)
	if stats := w.root.Stats(); stats.StoreErrors != 2 {
		t.Errorf("StoreErrors = %d, want 2", stats.StoreErrors)
	}
}

func TestTheSameIDInTheStoreAlready(t *testing.T) {
	w := newWorld(t, RootOptions{})
	if _, err := w.users.SaveUser(t.Context(), store.User{ID: "a", Name: "Ann", Room: "q"}); err != nil {
		t.Fatal(err)
	}
	a := w.connect(t, "a")
	a.ask("login", `{"name":"Ann","room":"r"}`)
	a.want(t, `ack {"error":"user already exists"}`)
	a.ask("roomMessage", `1`)
	a.want(t, `ack {"ok":false,"error":"not logged in"}`)
}

func TestListOfUsersIsJSON(t *testing.T) {
	users := []store.User{{ID: `q"\`, Name: "a\nb", Room: "é\u2028<"}, {ID: "plain", Name: "", Room: "r"}}
	var got []store.User
	if err := json.Unmarshal(listMessage(users).Args[0], &got); err != nil {
		t.Fatalf("%s: %v", listMessage(users).Args[0], err)
	}
	for i := range users {
		if got[i] != users[i] {
			t.Errorf("user %d = %q, want %q", i, got[i], users[i])
		}
	}
	if got := string(listMessage(nil).Args[0]); got != "[]" {
		t.Errorf("list of nobody = %s, want []", got)
	}
}
