package forward

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/engine"
	"signalbox/server/remote"
	"signalbox/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is what the servers of a test know of each other. Ids of sessions begin with the four characters of a
// server.
type cluster struct {
	mu    sync.Mutex
	nodes map[string]*node
}

// node is a server whose sessions answer each message with itself.
type node struct {
	*Forwarder
	id, url  string
	cluster  *cluster
	conns    *conn.Server
	engine   *engine.Server
	web      *httptest.Server
	release  func([]byte)
	sessions chan *engine.Session
	closed   chan conn.Reason
	callers  chan string // address and Origin of each request, as this server has them
	dialed   string      // the address that the next client comes from; "": that of its connection
}

func (n *node) NodeOf(session string) (string, string) {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	if other := n.cluster.nodes[session[:min(4, len(session))]]; other != nil && other != n {
		return other.id, other.url
	}
	return "", ""
}

func (n *node) Knows(id string) bool {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	return id != n.id && n.cluster.nodes[id] != nil
}

func (n *node) Tell(_ string, body []byte) {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	for _, other := range n.cluster.nodes {
		if other != n {
			other.release(body)
		}
	}
}

func (n *node) OnTell(_ string, call func([]byte)) { n.release = call }

// ServeHTTP is the node without what passes on.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-From", "front") // as CORS has it on every server
	if n.callers != nil {
		n.callers <- r.Method + " " + n.clientIP(r) + " " + r.Header.Get("Origin")
	}
	n.engine.ServeHTTP(w, r)
}

func (n *node) clientIP(r *http.Request) string {
	if n.dialed != "" && r.Header[header] == nil {
		return n.dialed
	}
	return remote.Host(r)
}

// receiver is the program above a session.
type receiver struct {
	n *node
	s *engine.Session
}

func (c receiver) Text(data []byte) error {
	return c.s.Reply(wire.Text([]byte{'4'}, data))
}
func (c receiver) Binary(data []byte) error { return c.s.Reply(wire.Binary(data)) }
func (c receiver) Closed(r conn.Reason)     { c.n.closed <- r }

func (c *cluster) start(t testing.TB, id string) *node {
	t.Helper()
	n := &node{id: id, cluster: c, sessions: make(chan *engine.Session, 100), closed: make(chan conn.Reason, 100)}
	n.conns = conn.New(conn.Config{
		ClientIP: n.clientIP, CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") != "https://evil.example" },
	})
	n.engine = engine.New(n.conns, engine.Config{IDPrefix: id, PrefixAll: true}, func(s *engine.Session) conn.Receiver {
		n.sessions <- s
		return receiver{n, s}
	})
	n.Forwarder = New(Options{
		ID: id, Nodes: n, Path: "/socket.io/", Serves: func(path string) bool { return strings.HasPrefix(path, "/socket.io") },
		ClientIP: n.clientIP, PollTime: time.Minute, BodyTime: time.Minute, Max: 1000, Log: slog.New(slog.DiscardHandler),
		Key: func(context.Context, []byte) ([]byte, error) { return []byte("key"), nil },
	}, n.engine, n.conns)
	n.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Serve(w, r, n) }))
	n.url = n.web.URL
	c.mu.Lock()
	c.nodes[id] = n
	c.mu.Unlock()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
		defer cancel()
		n.Shutdown(ctx)
		cancel() // what sessions have not fetched is not waited for
		_ = n.conns.Shutdown(ctx)
		n.web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return n
}

func three(t testing.TB) (a, b, c *node) {
	all := &cluster{nodes: make(map[string]*node)}
	return all.start(t, "aaaa"), all.start(t, "bbbb"), all.start(t, "cccc")
}

// ask sends a request of a polling client and returns status and body. headers are pairs.
func (n *node) ask(t testing.TB, method, query, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, n.url+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(headers); i += 2 {
		r.Header.Add(headers[i-1], headers[i])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer), res.Header
}

// join begins a session and returns its id.
func (n *node) join(t testing.TB) string {
	t.Helper()
	status, body, _ := n.ask(t, "GET", "", "")
	if status != 200 {
		t.Fatalf("handshake: %d %s", status, body)
	}
	return body[len(`0{"sid":"`):][:20]
}

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

// TestForged has strangers say that a server has passed their request on.
func TestForged(t *testing.T) {
	a, b, _ := three(t)
	sid := a.join(t)
	var number uint64
	sign := func(to string, target, origin string) string {
		number++
		tk := ticket{engine.Hop{From: b.id}, number, "203.0.113.7"}
		r := &http.Request{Method: "POST", Host: strings.TrimPrefix(a.url, "http://"), Header: make(http.Header)}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		return tk.head() + " " + tk.signature(newKey([]byte("key")), to, r, target) + " " + tk.addr
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
