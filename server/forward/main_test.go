package forward

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

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
	version  string      // of Engine.IO that its clients speak; "": 4
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
	n.engine = engine.New(n.conns, engine.Config{IDPrefix: id, PrefixAll: true, AllowEIO3: true}, func(s *engine.Session) conn.Receiver {
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
	r, err := http.NewRequestWithContext(t.Context(), method, n.url+"/socket.io/?EIO="+cmp.Or(n.version, "4")+"&transport=polling"+query, strings.NewReader(body))
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
