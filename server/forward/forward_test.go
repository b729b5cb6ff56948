package forward

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// TestAnyServer has a client that polls at one server after another, and goes on by websocket at a third.
func TestAnyServer(t *testing.T) {
	a, b, c := three(t)
	sid := a.join(t)
	if !strings.HasPrefix(sid, a.id) {
		t.Fatalf("session %s does not name %s", sid, a.id)
	}
	for i, n := range []*node{a, b, c, b, a} {
		text := fmt.Sprintf("4m%d\x1ebAQID", i)
		if status, body, header := n.ask(t, "POST", "&sid="+sid, text); status != 200 || body != "ok" || len(header["X-From"]) != 1 {
			t.Fatalf("post at %s = %d %s %v", n.id, status, body, header)
		}
		if status, body, header := n.ask(t, "GET", "&sid="+sid, ""); status != 200 || body != text || len(header["X-From"]) != 1 {
			t.Fatalf("poll at %s = %d %q %v, want %q", n.id, status, body, header, text)
		}
	}
	if status, body, _ := b.ask(t, "PUT", "&sid="+sid, ""); status != 400 || !strings.Contains(body, `"code":1`) {
		t.Errorf("PUT at another server = %d %s", status, body)
	}

	ws := testkit.Dial(t, c.url+"/socket.io/?EIO=4&transport=websocket&sid="+sid)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	say := func(kind websocket.MessageType, text string) {
		t.Helper()
		if err := ws.Write(ctx, kind, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(want string) {
		t.Helper()
		if _, got, err := ws.Read(ctx); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
	say(websocket.MessageText, "2probe")
	hear("3probe")
	say(websocket.MessageText, "5")
	for i := range 100 {
		say(websocket.MessageText, fmt.Sprint("4w", i))
		hear(fmt.Sprint("4w", i))
	}
	say(websocket.MessageBinary, "\x00\x01")
	hear("\x00\x01")
	if got := a.engine.Stats(); got.Upgrades != 1 || got.WebSocketSessions != 1 {
		t.Errorf("the session's server has %+v", got)
	}
	if s := b.Stats(); s.Passed != 4 || a.Stats().Received != 7 || s.Failed != 0 { // two posts and polls at b, one at c, a websocket
		t.Errorf("passed on %+v, received %+v", s, a.Stats())
	}
	ws.Close(websocket.StatusNormalClosure, "")
	if got := testkit.Receive(t, a.closed, "end of the session"); got != conn.ReasonTransportClose {
		t.Errorf("the session ended by %s", got)
	}
	testkit.Until(t, "end of the stream", func() bool { return c.Stats().Open == 0 })
}

// TestBodies: long ones, and those whose length nobody has said, arrive whole.
func TestBodies(t *testing.T) {
	a, b, _ := three(t)
	sid := a.join(t)
	for _, size := range []int{1, maxReplay - 1, maxReplay + 1} {
		for _, chunked := range []bool{false, true} {
			text := "4" + strings.Repeat("x", size)
			var body io.Reader = strings.NewReader(text)
			if chunked {
				body = io.MultiReader(body)
			}
			r, err := http.NewRequestWithContext(t.Context(), "POST", b.url+"/socket.io/?EIO=4&transport=polling&sid="+sid, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if status, got, _ := b.ask(t, "GET", "&sid="+sid, ""); res.StatusCode != 200 || status != 200 || got != text {
				t.Errorf("%d bytes, chunked %v = %d, and %d bytes came", size, chunked, res.StatusCode, len(got))
			}
		}
	}
	if status, _, _ := b.ask(t, "POST", "&sid="+sid, strings.Repeat("x", 1_100_000)); status != 413 {
		t.Errorf("a body that is too large = %d, want 413", status)
	}
}

// TestCaller has the server of a session see who asks another server.
func TestCaller(t *testing.T) {
	a, b, _ := three(t)
	sid := a.join(t)
	a.callers = make(chan string, 10)
	for _, addr := range []string{"203.0.113.7", "2001:db8::1", "invalid IP"} {
		b.dialed = addr
		b.ask(t, "POST", "&sid="+sid, "4x", "Origin", "https://app.example", "X-Forwarded-For", "192.0.2.1")
		if got, want := <-a.callers, "POST "+addr+" https://app.example"; got != want {
			t.Errorf("the caller is %q, want %q", got, want)
		}
	}
	if status, body, _ := b.ask(t, "POST", "&sid="+sid, "4x", "Origin", "https://evil.example"); status != 403 {
		t.Errorf("a page that may not = %d %s, want 403", status, body)
	}
}

// TestGone has a server die.
func TestGone(t *testing.T) {
	a, b, _ := three(t)
	sid := a.join(t)
	elsewhere := httptest.NewServer(http.RedirectHandler(a.url, http.StatusFound))
	defer elsewhere.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	a.url = "http://" + closed.Addr().String()
	start := time.Now()
	status, body, header := b.ask(t, "GET", "&sid="+sid, "")
	if status != 400 || !strings.Contains(body, `"code":1`) || header.Get("X-From") != "front" || time.Since(start) > 2*time.Second {
		t.Errorf("a server that is dead = %d %s %v after %v", status, body, header, time.Since(start))
	}
	if b.Stats().Failed != 1 {
		t.Errorf("counted %+v", b.Stats())
	}
	b.cluster.mu.Lock()
	delete(b.cluster.nodes, a.id)
	b.cluster.mu.Unlock()
	if status, body, _ := b.ask(t, "GET", "&sid="+sid, ""); status != 400 || !strings.Contains(body, `"code":1`) || b.Stats().Passed != 1 {
		t.Errorf("a server that is known to be gone = %d %s", status, body)
	}
	b.cluster.mu.Lock()
	b.cluster.nodes[a.id] = a
	b.cluster.mu.Unlock()
	a.url = elsewhere.URL
	if status, _, _ := b.ask(t, "POST", "&sid="+sid, "4x"); status == 200 {
		t.Error("a redirection was followed")
	}
	a.url = a.web.URL
	if status, body, _ := b.ask(t, "POST", "&sid="+sid, "4x"); status != 200 || body != "ok" {
		t.Errorf("once it is back = %d %s", status, body)
	}
}

// TestStreamEnds has the server of a session end a websocket whose client does not notice.
func TestStreamEnds(t *testing.T) {
	_, b, _ := three(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		if _, err := io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nlast"); err != nil {
			t.Error(err)
		}
	}))
	defer other.Close()
	b.cluster.mu.Lock()
	b.cluster.nodes["dddd"] = &node{id: "dddd", url: other.URL, release: func([]byte) {}}
	b.cluster.mu.Unlock()
	client := testkit.DialRaw(t, strings.TrimPrefix(b.url, "http://"))
	_, err := io.WriteString(client, "GET /socket.io/?EIO=4&transport=websocket&sid=dddd0123456789abcdef HTTP/1.1\r\nHost: x\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(client.Reader)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101 ") || !strings.HasSuffix(string(got), "\r\n\r\nlast") {
		t.Errorf("the client got %q, %v", got, err)
	}
	testkit.Until(t, "end of the stream", func() bool { return b.Stats().Open == 0 })
}

// TestEnd has a server end by which a poll waits and a websocket goes, both for sessions of another.
func TestEnd(t *testing.T) {
	a, b, c := three(t)
	waits, goes := a.join(t), a.join(t)
	<-a.sessions
	session := <-a.sessions
	type answer struct {
		status int
		body   string
	}
	polled := make(chan answer, 1)
	go func() { // awaited below
		defer close(polled) // ask may have ended the goroutine
		status, body, _ := b.ask(t, "GET", "&sid="+waits, "")
		polled <- answer{status, body}
	}()
	ws := testkit.Dial(t, b.url+"/socket.io/?EIO=4&transport=websocket&sid="+goes)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for _, packet := range []string{"2probe", "5", "4first"} {
		if err := ws.Write(ctx, websocket.MessageText, []byte(packet)); err != nil {
			t.Fatal(err)
		}
		if packet != "5" {
			if _, _, err := ws.Read(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	testkit.Until(t, "poll and websocket", func() bool { return b.Stats().Open == 2 })
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint("4n", i))
		if err := session.Send(wire.Text([]byte(want[i]))); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() { b.Shutdown(ctx); close(ended) }() // awaited below
	if got := <-polled; got != (answer{200, "6"}) {
		t.Errorf("the poll is answered with %+v, want a noop", got)
	}
	var got []string
	for {
		_, packet, err := ws.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNoStatusRcvd {
				t.Errorf("the websocket ended by %v", err)
			}
			break
		}
		got = append(got, string(packet))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d messages of %d came before the end", len(got), len(want))
	}
	if <-ended; b.Stats().Open != 0 {
		t.Errorf("after Shutdown %+v", b.Stats())
	}
	if reason := testkit.Receive(t, a.closed, "end of the session"); reason != conn.ReasonTransportClose {
		t.Errorf("the session of the websocket ended by %s", reason)
	}
	// The other goes on at other servers, and as long as it is there at the one that ends, without waiting.
	start := time.Now()
	if status, body, _ := b.ask(t, "GET", "&sid="+waits, ""); status != 200 || body != "6" || time.Since(start) > 5*time.Second {
		t.Errorf("a poll by a server that ends = %d %s", status, body)
	}
	if status, body, _ := b.ask(t, "GET", "&sid="+waits, "", "Upgrade", "websocket", "Connection", "Upgrade"); status == 101 {
		t.Errorf("an upgrade by a server that ends = %d %s", status, body)
	}
	c.ask(t, "POST", "&sid="+waits, "4on")
	if status, body, _ := c.ask(t, "GET", "&sid="+waits, ""); status != 200 || body != "4on" {
		t.Errorf("after that = %d %s", status, body)
	}
}
