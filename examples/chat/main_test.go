package main

import (
	"strings"
	"testing"
	"time"

	"signalbox/examples/exampletest"
	"signalbox/handlers/testkit"
)

func TestChat(t *testing.T) {
	url := exampletest.Run(t, newServer)
	ann := testkit.Dial(t, url)
	ann.Join("/talk", `{"name":"ann","password":"long enough"}`)
	session, ok := strings.CutPrefix(ann.Read(), `42/talk,["session",`)
	session = strings.TrimSuffix(session, "]")
	if !ok {
		t.Fatalf("no session: %s", session)
	}
	for auth, want := range map[string]string{
		`{"name":"ann","password":"something else"}`: "wrong name or password",
		`{"name":"bob","password":"short"}`:          "a name has no spaces, and a password 8 to 72 bytes",
		`{"session":"ann 2000000000 forged"}`:        "the session is over: send name and password",
	} {
		stranger := testkit.Dial(t, url)
		stranger.Send("40/talk," + auth)
		stranger.Want(`44/talk,{"message":"` + want + `"}`)
	}
	back := testkit.Dial(t, url)
	back.Join("/talk", `{"session":`+session+`}`)
	back.Read()
	back.Send(`42/talk,1["say","hello"]`)
	if got := ann.Read(); !strings.HasPrefix(got, `42/talk,["said",{"who":"ann","text":"hello","at":"`) {
		t.Errorf("ann hears %s", got)
	}
	back.Read()
	back.Send(`42/talk,2["say",""]`)
	back.Want(`43/talk,2[{"ok":false,"error":"say something, in 1,000 bytes"}]`)
	back.Cut()
	ann.Want(`42/talk,["left","ann"]`)
}

func TestSessions(t *testing.T) {
	l := &logins{key: []byte("a key")}
	if who, err := l.who(l.session("ann", time.Now().Add(time.Hour))); who != "ann" || err != nil {
		t.Errorf("a session is of %q, %v", who, err)
	}
	if who, err := l.who(l.session("ann", time.Now().Add(-time.Second))); err == nil {
		t.Errorf("a session that is over is of %q", who)
	}
}
