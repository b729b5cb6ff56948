package handlers

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestTextEveryRow(t *testing.T) {
	h := newHouse(t)
	ann, bob, out := h.ws(""), h.ws(""), h.ws("")
	ann.send(`{"type":"join","room":"tea"}`)
	wantNothing(ann)
	bob.send(`{"type":"join","room":"tea"}`)
	ann.want(`{"type":"user_joined","room":"tea"}`)
	ann.send(`{"type":"authenticate","userId":42}`)
	bob.send(`{"type":"authenticate","userId":"42"}`)
	wantNothing(ann, bob)
	ann.send(`{"type":"message","room":"tea","content":"hi"}`)
	bob.want(`{"type":"message","from":42,"content":"hi","timestamp":MS}`)
	bob.send(`{"type":"message","room":"tea","content":{"a": [1.0]}}`)
	ann.want(`{"type":"message","from":"42","content":{"a": [1.0]},"timestamp":MS}`)
	ann.send(`{"type":"ping"}`)
	ann.want(`{"type":"pong"}`)
	bob.send(`{"type":"leave","room":"tea"}`)
	ann.want(`{"type":"user_left","userId":"42","room":"tea"}`)
	bob.send(`{"type":"join","room":"tea"}`)
	bob.send(`{"type":"join","room":"milk"}`)
	out.send(`{"type":"join","room":"milk"}`)
	ann.take()
	bob.take()
	bob.leave()
	ann.want(`{"type":"user_left","userId":"42","room":"tea"}`)
	out.want(`{"type":"user_left","userId":"42","room":"milk"}`)
	if n := h.doors.Stats().TextIgnored; n != 0 {
		t.Errorf("TextIgnored = %d, want 0", n)
	}
}

func TestTextBeforeAuthenticate(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.ws(""), h.ws("")
	ann.send(`{"type":"join","room":"tea"}`)
	bob.send(`{"type":"join","room":"tea"}`)
	bob.send(`{"type":"message","room":"tea","content":null}`)
	bob.send(`{"type":"message","room":"tea"}`)
	bob.leave()
	ann.want(`{"type":"user_joined","room":"tea"}`, `{"type":"message","content":null,"timestamp":MS}`,
		`{"type":"message","timestamp":MS}`, `{"type":"user_left","room":"tea"}`)
}

func TestTextIgnoresWhatItDoesNotKnow(t *testing.T) {
	h := newHouse(t)
	ann := h.ws("")
	odd := []string{
		``, `{`, `null`, `5`, `"ping"`, `["ping"]`, `{}`, `{"type":null}`, `{"type":5}`, `{"type":["ping"]}`, `{"type":"jump"}`,
		`{"type":"ping"}x`, "\xef\xbb\xbf" + `{"type":"ping"}`, strings.Repeat("[", 100_000),
	}
	for _, text := range odd {
		ann.send(text)
	}
	wantNothing(ann)
	if n := h.doors.Stats().TextIgnored; n != uint64(len(odd)) {
		t.Errorf("TextIgnored = %d, want %d", n, len(odd))
	}
	ann.send(`{"type":"ping","type":"p\u0069ng"}`)
	ann.want(`{"type":"pong"}`)
}

func TestTextRefusals(t *testing.T) {
	h := newHouse(t)
	out := h.ws("")
	out.send(`{"type":"join","room":"tea"}`)
	for in, want := range map[string]string{
		`{"type":"join","room":5}`:                                            `{"type":"error","message":"Invalid room","room":5}`,
		`{"type":"join","room":["tea"]}`:                                      `{"type":"error","message":"Invalid room","room":["tea"]}`,
		`{"type":"join"}`:                                                     `{"type":"error","message":"Invalid room"}`,
		`{"type":"message","room":"tea","content":"x"}`:                       `{"type":"error","message":"Not in this room","room":"tea"}`,
		`{"type":"leave","room":"tea"}`:                                       `{"type":"error","message":"Not in this room","room":"tea"}`,
		`{"type":"join","room":"` + strings.Repeat("x", 600) + `"}`:           `{"type":"error","message":"Invalid room"}`,
		`{"type":"authenticate","userId":{"a":1}}`:                            `{"type":"error","message":"Invalid userId"}`,
		`{"type":"authenticate","userId":[1]}`:                                `{"type":"error","message":"Invalid userId"}`,
		`{"type":"authenticate","userId":"` + strings.Repeat("x", 600) + `"}`: `{"type":"error","message":"Invalid userId"}`,
		`{"type":"renew","token":"` + h.token("ann") + `"}`:                   `{"type":"error","message":"Authentication failed"}`,
	} {
		ann := h.ws("")
		ann.send(in)
		ann.want(want)
	}
	wantNothing(out)
}

func TestTextWithAToken(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.ws(h.token("ann", rooms("tea"))), h.ws("")
	bob.send(`{"type":"join","room":"tea"}`)
	ann.send(`{"type":"join","room":"milk"}`)
	ann.want(`{"type":"error","message":"Access denied","room":"milk"}`)
	ann.send(`{"type":"authenticate","userId":"mallory"}`)
	ann.want(`{"type":"error","message":"The token says who you are"}`)
	ann.send(`{"type":"authenticate","userId":"ann"}`) // as a client that does not know better
	ann.send(`{"type":"join","room":"tea"}`)
	wantNothing(ann)
	ann.send(`{"type":"message","room":"tea","content":1,"from":"mallory"}`)
	bob.want(`{"type":"user_joined","userId":"ann","room":"tea"}`, `{"type":"message","from":"ann","content":1,"timestamp":MS}`)

	for name, token := range map[string]string{"a bad token": "x", "an expired one": expired} {
		if _, err := h.tryText(h.doors.Rooms.Text(), token); status(err) != 401 {
			t.Errorf("%s: %v, want 401", name, err)
		}
	}
}

// expired is a token of ann's that was good in 1970.
var expired = func() string {
	claims := jwt.MapClaims{"sub": "ann", "exp": 1}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(houseSecret))
	if err != nil {
		panic(err)
	}
	return token
}()

func TestTextWhereTokensAreRequired(t *testing.T) {
	h := newHouse(t, requireAuth)
	if _, err := h.tryText(h.doors.Rooms.Text(), ""); status(err) != 401 {
		t.Errorf("no token: %v, want 401", err)
	}
	h.ws(h.token("ann"))
}

func TestTextEndsWithTheTokenUnlessRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ann, bob := h.ws(h.tokenFor(10*time.Minute, "ann")), h.ws(h.tokenFor(10*time.Minute, "bob"))
		time.Sleep(10*time.Minute - 30*time.Second)
		synctest.Wait()
		ann.want(`{"type":"token_expiring","expiresAt":"ISO"}`)
		bob.take()
		bob.send(`{"type":"renew","token":"` + h.tokenFor(time.Hour, "bob") + `"}`)
		bob.want(`{"type":"renewed","ok":true,"expiresAt":"ISO"}`)
		bob.send(`{"type":"renew","token":"` + h.token("ann") + `"}`)
		bob.want(`{"type":"error","message":"Authentication failed"}`)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.want("close 1008 token expired")
		wantNothing(bob)
		ann.leave()
		bob.leave()
	})
}

func FuzzTextMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"join","room":"tea"}`, `{"type":"message","room":"tea","content":{"a":[1]}}`, `{"type":"authenticate","userId":1}`,
		`null`, `[`, `{"type":"leave","room":"\ud800"}`, `{"type":"renew","token":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	h := newHouse(f)
	ann, bob := h.ws(""), h.ws("")
	bob.send(`{"type":"join","room":"tea"}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		ann.session.Text(data)
		for _, line := range append(ann.take(), bob.take()...) {
			wantJSON(t, line)
		}
	})
}
