package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// TestOnce: with a key a call is carried out once, also where it comes twice at the same time.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, n := new(fake), 0
		f.publish = func(string, []byte) (int, error) {
			n++
			number := n
			time.Sleep(time.Second)
			if number == 1 {
				return 0, errors.New("the first fails")
			}
			return number, nil
		}
		a := newTestAPI(f)
		call := func(channel, body, key string) string {
			status, answer := ask(t, a, "POST", "/api/publish/"+channel, body, "Idempotency-Key", key)
			return fmt.Sprint(status, " ", answer)
		}
		if got := call("user:1", `{"type":"x"}`, "k"); !strings.HasPrefix(got, "500") {
			t.Errorf("a call that fails = %s", got)
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if got := call("user:1", `{"type":"x"}`, "k"); got != `200 {"ok":true,"delivered":2}` {
					t.Errorf("one of two at once = %s", got)
				}
			})
		}
		both.Wait()
		for _, other := range []string{call("user:2", `{"type":"x"}`, "k"), call("user:1", `{"type":"y"}`, "k")} {
			if !strings.HasPrefix(other, "422 ") || !strings.Contains(other, string(CodeKeyReused)) {
				t.Errorf("another call with the key = %s", other)
			}
		}
		if got := call("user:1", `{"type":"x"}`, "other"); got != `200 {"ok":true,"delivered":3}` {
			t.Errorf("another key = %s", got)
		}
		if got := call("user:1", `{"type":"x"}`, strings.Repeat("k", 256)); !strings.HasPrefix(got, "400 ") {
			t.Errorf("a long key = %s", got)
		}
		time.Sleep(rememberTime)
		if got := call("user:1", `{"type":"x"}`, "k"); got != `200 {"ok":true,"delivered":4}` {
			t.Errorf("five minutes later = %s", got)
		}
	})
}

// TestOnceWhenTheCallerGoes: who sent the first does not wait for it, and the second gets its whole answer.
func TestOnceWhenTheCallerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, n := newTestAPI(new(fake)), 0
		call := func(ctx context.Context) (any, error) {
			return a.once(ctx, "k", "x", nil, func(ctx context.Context) (any, error) {
				n++
				select {
				case <-time.After(time.Second):
					return json.RawMessage(`1`), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		go call(ctx) // ends in a second
		synctest.Wait()
		cancel()
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := call(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("a second caller that has gone: %v", err)
		}
		if answer, err := call(t.Context()); err != nil || string(answer.(json.RawMessage)) != "1" || n != 1 {
			t.Errorf("the second = %s, %v, after %d calls", answer, err, n)
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	a := newTestAPI(new(fake))
	for i := range maxRemembered + 10 {
		_, _ = a.once(t.Context(), fmt.Sprint(i), "x", nil, func(context.Context) (any, error) { return json.RawMessage(`1`), nil })
	}
	if n := len(a.done.calls); n != maxRemembered || a.done.bytes != maxRemembered {
		t.Errorf("%d calls with %d bytes are known, want %d", n, a.done.bytes, maxRemembered)
	}
	big := json.RawMessage(`"` + strings.Repeat("x", maxRememberedBytes/2) + `"`)
	for i := range 3 {
		_, _ = a.once(t.Context(), fmt.Sprint("big", i), "x", nil, func(context.Context) (any, error) { return big, nil })
	}
	if a.done.bytes > maxRememberedBytes || len(a.done.calls) != 1 {
		t.Errorf("%d calls with %d bytes are known", len(a.done.calls), a.done.bytes)
	}
}

// TestCall: a program that is connected gets what the paths answer.
func TestCall(t *testing.T) {
	f := populated()
	var to hub.Selection
	f.emit = func(sel hub.Selection, _ *hub.Message) int { to = sel; return 2 }
	published := 0
	f.publish = func(channel string, message []byte) (int, error) {
		if channel != "user:42" || string(message) != `{"type":"x","data":[1.0]}` {
			t.Errorf("published %s on %s", message, channel)
		}
		published++
		return published, nil
	}
	a := newTestAPI(f)
	for _, tc := range []struct{ name, argument, method, path, body string }{
		{"rooms", `{"kind":"room","limit":1}`, "GET", "/api/rooms?kind=room&limit=1", ""},
		{"users", `{"room":"team/1","kind":"room"}`, "GET", "/api/rooms/team%2F1/users?kind=room", ""},
		{"users", `{"id":"42"}`, "GET", "/api/users/42", ""},
		{"disconnectUser", `{"id":"42","close":true}`, "POST", "/api/users/42/disconnect", `{"close":true}`},
		{"emit", `{"namespace":"/chat","rooms":["team"],"event":"x"}`, "POST", "/api/emit", `{"namespace":"/chat","rooms":["team"],"event":"x"}`},
	} {
		_, want := ask(t, a, tc.method, tc.path, tc.body)
		if got := string(a.Call(t.Context(), tc.name, json.RawMessage(tc.argument))); got != want {
			t.Errorf("%s %s = %s, want %s", tc.name, tc.argument, got, want)
		}
	}
	if len(to.Rooms) != 1 {
		t.Errorf("emitted to %v", to)
	}
	publish := json.RawMessage(`{"idempotencyKey":"k","channel":"user:42","message":{"type":"x","data":[1.0]}}`)
	for range 2 {
		if got := string(a.Call(t.Context(), "publish", publish)); got != `{"ok":true,"delivered":1}` {
			t.Errorf("publish = %s", got)
		}
	}
	for argument, want := range map[string]string{
		`[1]`: "channel", `{"channel":"7","message":{"type":"x"}}`: "invalid_channel", `{"channel":"user:42"}`: "type is missing",
		`{"channel":"user:42","message":{"type":"x"},"more":1}`:               "unknown_field",
		`{"idempotencyKey":"k","channel":"user:42","message":{"type":"y"}}`:   "idempotency_key_reused",
		`{"channel":"user:42","message":"` + strings.Repeat("x", 1000) + `"}`: "too_large",
	} {
		f.publish = func(channel string, message []byte) (int, error) { return 0, app.ErrChannel }
		if got := string(a.Call(t.Context(), "publish", json.RawMessage(argument))); !strings.Contains(got, want) || !strings.HasPrefix(got, `{"error":`) {
			t.Errorf("publish %.60s = %s, want %s", argument, got, want)
		}
	}
	for name, argument := range map[string]string{
		"rooms": `{"kind":["room"]}`, "users": `{}`, "disconnectUser": `{"id":""}`, "emit": `{"namespace":"/backend","event":"events"}`, "other": `{}`,
	} {
		if got := string(a.Call(t.Context(), name, json.RawMessage(argument))); !strings.HasPrefix(got, `{"error":`) {
			t.Errorf("%s %s = %s", name, argument, got)
		}
	}
	if got := string(a.Call(t.Context(), "rooms", nil)); !strings.HasPrefix(got, `{"rooms":`) {
		t.Errorf("rooms without an argument = %s", got)
	}
}
