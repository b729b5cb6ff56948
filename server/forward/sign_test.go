package forward

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"signalbox/server/engine"
)

// TestForged has strangers say that a server has passed their request on.
func TestForged(t *testing.T) {
	a, b, _ := three(t)
	sid := a.join(t)
	var number uint64
	sign := func(to string, target, origin string) string {
		number++
		tk := newTicket(engine.Hop{From: b.id}, number, "203.0.113.7")
		r := &http.Request{Method: "POST", Host: strings.TrimPrefix(a.url, "http://"), Header: make(http.Header)}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		return tk.head + " " + tk.signature(newKey([]byte("key")), to, r, target) + " " + tk.addr
	}
	target := "/socket.io/?EIO=4&transport=polling&sid=" + sid
	good := sign(a.id, target, "")
	if status, body, _ := a.ask(t, "POST", "&sid="+sid, "4x", header, good); status != 200 {
		t.Fatalf("a request that was passed on = %d %s", status, body)
	}
	other := sign(a.id, target, "")
	for name, headers := range map[string][]string{
		"the same once more":    {header, good},
		"nothing":               {header, ""},
		"twice":                 {header, sign(a.id, target, ""), header, sign(a.id, target, "")},
		"another address":       {header, strings.Replace(sign(a.id, target, ""), "203.0.113.7", "203.0.113.8", 1)},
		"another number":        {header, strings.Replace(other, " "+strings.Fields(other)[1]+" ", " ff ", 1)},
		"about to end":          {header, strings.Replace(sign(a.id, target, ""), " 0 ", " 1 ", 1)},
		"another Origin":        {header, sign(a.id, target, ""), "Origin", "https://app.example"},
		"two Origins for one":   {header, sign(a.id, target, "https://app.example"), "Origin", "https://app.example", "Origin", "null"},
		"for another server":    {header, sign("cccc", target, "")},
		"for another session":   {header, sign(a.id, strings.Replace(target, sid, "aaaa1234567890123456", 1), "")},
		"of nobody":             {header, strings.Replace(sign(a.id, target, ""), b.id, "dddd", 1)},
		"of the server itself":  {header, strings.Replace(sign(a.id, target, ""), b.id, a.id, 1)},
		"without its signature": {header, "bbbb 99 0  203.0.113.7"},
	} {
		if status, body, _ := a.ask(t, "POST", "&sid="+sid, "4x", headers...); status != 400 || !strings.Contains(body, `"code":3`) {
			t.Errorf("%s = %d %s, want 400 with code 3", name, status, body)
		}
	}
	if s := a.Stats(); s.Forged != 13 || s.Received != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestOnce has two servers that believe of each other that a session is there.
func TestOnce(t *testing.T) {
	a, b, _ := three(t)
	sid := a.join(t)
	a.cluster.mu.Lock()
	a.cluster.nodes[a.id], a.cluster.nodes[b.id] = b, a
	a.cluster.mu.Unlock()
	for _, n := range []*node{a, b} {
		if status, body, _ := n.ask(t, "GET", "&sid=bbbb"+sid[4:], ""); status != 400 || !strings.Contains(body, `"code"`) {
			t.Errorf("at %s = %d %s, want 400", n.id, status, body)
		}
	}
	if passed := a.Stats().Passed + b.Stats().Passed; passed > 2 {
		t.Errorf("two requests were passed on %d times", passed)
	}
}

// TestKeys has Redis lose the key, and a server come with another one.
func TestKeys(t *testing.T) {
	var inRedis []byte
	k := &keys{read: func(_ context.Context, have []byte) ([]byte, error) {
		if inRedis == nil {
			if inRedis = have; have == nil {
				inRedis = []byte("new")
			}
		}
		return inRedis, nil
	}}
	look := func(age time.Duration, want string) {
		t.Helper()
		current, before := k.get(t.Context(), age)
		got := string(current.text) + ","
		if before != nil {
			got += string(before.text)
		}
		if got != want {
			t.Errorf("keys = %s, want %s", got, want)
		}
	}
	look(keyAge, "new,")
	inRedis = nil
	look(0, "new,") // and puts it back
	if string(inRedis) != "new" {
		t.Errorf("Redis has %q", inRedis)
	}
	inRedis = []byte("other")
	look(keyAge, "new,")
	look(0, "other,new")
}

func TestWindow(t *testing.T) {
	var w window
	take := func(n uint64, want bool) {
		t.Helper()
		if w.take(n) != want {
			t.Errorf("take(%d) = %v, want %v", n, !want, want)
		}
	}
	for _, n := range []uint64{1, 5, 3} {
		take(n, true)
		take(n, false)
	}
	take(4, true)
	take(windowSize+4, true)
	take(4, false) // too old
	take(5, false)
	take(6, true)
	take(10*windowSize, true)
	take(windowSize+5, false)
	take(10*windowSize-1, true)
	take(10*windowSize-1, false)
	take(1<<64-1, true)
	take(1, false)
}
