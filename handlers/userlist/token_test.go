package userlist_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/auth"
)

// Where tokens are required a client speaks under the name of its token, in the rooms that it opens.
func TestTheTokenSaysNameAndRooms(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{Gate: testkit.Proven(t)})
	ada := w.ConnectAs(t, "a", `{"user":"1","name":"Ada \u003cL\u003e","rooms":["tea","b*"]}`)
	eve := w.ConnectAs(t, "e", `{"user":"7","name":"Eve"}`)
	bob := w.ConnectAs(t, "b", `{"user":"8"}`)

	ada.Ask("login", `{"name":"Eve","room":"milk"}`)
	ada.Want(t, `ack {"error":"Access denied"}`)
	ada.Ask("login", `{"name":"Eve","room":"tea"}`)
	const inTea = `{"id":"a","name":"Ada <L>","room":"tea"}`
	ada.Want(t, `users [`+inTea+`]`, `ack {"user":{"id":"a","name":"Ada \u003cL\u003e","room":"tea"}}`)

	eve.Ask("login", `{"name":"Ada","room":"tea"}`)
	eve.Take()
	ada.Want(t, entered("Eve"), `users [`+inTea+`,{"id":"e","name":"Eve","room":"tea"}]`)
	ada.Say("roomMessage", `1`)
	eve.Want(t, `roomMessage {"message":1,"from":"Ada <L>"}`)
	eve.Say("roomMessage", `2`)
	ada.Take()
	eve.Want(t, `roomMessage {"message":2,"from":"Eve"}`)

	bob.Ask("login", `{"name":"Robert","room":"bar"}`) // a token without a name
	bob.Want(t, `users [`+user("b", "Robert", "bar")+`]`, `ack {"user":`+user("b", "Robert", "bar")+`}`)
	bob.Ask("logout")
	bob.Take()
	bob.Ask("login", `{"room":"bar"}`)
	bob.Want(t, `ack {"error":"No room or name provided"}`)
}

// A newer token that does not open the room ends the login.
func TestARenewedTokenThatDoesNotOpenTheRoom(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{Gate: testkit.Proven(t)})
	a, b := w.ConnectAs(t, "a", `{"user":"1","name":"Ann"}`), w.ConnectAs(t, "b", `{"user":"2","name":"Bob"}`)
	a.Login("Ann", "tea")
	b.Login("Bob", "tea")
	a.Take()
	renew := func(rooms ...string) []string {
		v, err := auth.New(auth.Config{Secret: testkit.HouseSecret})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		token, err := auth.Mint(testkit.HouseSecret, auth.Claims{UserID: "1", Rooms: rooms}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		id, err := v.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		return a.Session.(interface {
			Renewed(id *auth.Identity) []string
		}).Renewed(id)
	}
	if rooms := renew("tea"); len(rooms) != 0 {
		t.Errorf("left %q, want none", rooms)
	}
	b.Want(t)
	if rooms := renew("milk"); len(rooms) != 1 || rooms[0] != "tea" {
		t.Errorf("left %q, want tea", rooms)
	}
	b.Want(t, left("Ann"), `users [`+user("b", "Bob", "tea")+`]`)
	a.Say("roomMessage", `1`)
	b.Want(t)
}

func TestWhoIsCutIsInTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := testkit.NewWorld(t, testkit.RootOptions{Gate: testkit.Proven(t), Log: log})
	a := w.Connect(t, "a")
	a.Say("ping")
	a.Want(t, "disconnect")
	if want := `msg="client cut" sid=a user=a address=192.0.2.1 reason="an event without a callback"`; !strings.Contains(out.String(), want) {
		t.Errorf("log = %s, want in it %s", out.String(), want)
	}
}
