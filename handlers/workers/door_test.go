package workers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
)

func TestWhoMayBeAWorker(t *testing.T) {
	n := alone(t, router.OutsideOptions{})
	refused := func(auth, want string) {
		t.Helper()
		c := testkit.Dial(t, n.url)
		c.Send("40/backend," + auth)
		c.Want(`44/backend,{"message":"` + want + `"}`)
	}
	w := connect(t, n)
	for _, tc := range []struct{ argument, want string }{
		{`{"events":["/game:*","/other:*"]}`, `"/other:*\" may not be claimed`}, {`{"events":["/*:*"]}`, "may not be claimed"},
		{`{"events":["/backend:*"]}`, "not the application's"}, {`{"events":"/game:*"}`, "claim events by patterns"}, {`{}`, "claim events"},
		{`{"events":["game"]}`, "has no event"},
	} {
		w.Send(`42/backend,1["handle",` + tc.argument + `]`)
		if got := w.Read(); !strings.Contains(got, tc.want) || !strings.Contains(got, `"ok":false`) {
			t.Errorf("handle %s = %s, want %s", tc.argument, got, tc.want)
		}
	}
	w.Send(`42/backend,2["handle"]`, `42/backend,3["other"]`, `42/backend,4["rooms",{"kind":"room"}]`)
	for _, want := range []string{`"ok":false`, "unknown event", `43/backend,4[{"called":"rooms","body":{"kind":"room"}}]`} {
		if got := w.Read(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ws, _, err := websocket.Dial(t.Context(), n.url+"/socket.io/?EIO=4&transport=websocket",
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {n.url}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	page := &testkit.Wire{T: t, WS: ws}
	page.Read() // open
	page.Send(`40/backend,{"key":"` + key + `"}`)
	page.Want(`44/backend,{"message":"workers are programs, not pages: send no Origin"}`)
	for range 5 {
		refused(`{"key":"wrong"}`, "wrong key")
	}
	for _, auth := range []string{`{"key":"wrong"}`, `{"key":"` + key + `"}`} {
		refused(auth, "too many wrong keys from this address: wait a minute")
	}
	if s := n.workers.Stats(); s.Refused != 8 || s.Here != 1 {
		t.Errorf("stats %+v, want 8 refused and 1 here", s)
	}
}

// TestCallsSideBySide: so many calls of the API and no more, and what waits for them holds up nothing else.
func TestCallsSideBySide(t *testing.T) {
	n := alone(t, router.OutsideOptions{})
	release := make(chan struct{})
	n.workers.SetCall(func(context.Context, string, json.RawMessage) json.RawMessage {
		<-release
		return json.RawMessage(`{"ok":true}`)
	})
	w := connect(t, n)
	claim(t, w, "/game:*")
	const most = 256
	for i := range most {
		w.Send(fmt.Sprintf(`42/backend,%d["emit",{}]`, 10+i))
	}
	w.Send(`42/backend,1000["emit",{}]`)
	if got := w.Read(); !strings.HasPrefix(got, "43/backend,1000[") || !strings.Contains(got, "too_many_calls") {
		t.Errorf("one more call = %s", got)
	}
	c := testkit.Dial(t, n.url)
	c.Send("40/game,")
	id, _, _ := strings.Cut(strings.TrimPrefix(w.Read(), "42/backend,"), "[")
	w.Send("43/backend," + id + `[{"results":[{}]}]`)
	c.Read()
	close(release)
	for range most {
		if got := w.Read(); !strings.HasSuffix(got, `[{"ok":true}]`) {
			t.Fatalf("a call = %s", got)
		}
	}
}
