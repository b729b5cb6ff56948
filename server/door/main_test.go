package door

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// place is a server with doors on the loopback interface.
type place struct {
	t     *testing.T
	hub   *hub.Hub
	conns *conn.Server
	doors *Server
	mux   *http.ServeMux
	http  *httptest.Server
}

func newPlace(t *testing.T, cfg conn.Config, change ...func(*Config)) *place {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Log = log
	p := &place{t: t, hub: hub.New(), mux: http.NewServeMux()}
	p.conns = conn.New(cfg)
	c := Config{Conns: p.conns, Hub: p.hub, Log: log}
	for _, f := range change {
		f(&c)
	}
	p.doors = New(c)
	p.http = httptest.NewServer(p.mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.conns.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		p.http.Close()
	})
	return p
}

func (p *place) dial(path string, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return websocket.Dial(ctx, p.http.URL+path, o)
}

// visitor is a plain WebSocket that was accepted.
type visitor struct {
	t  *testing.T
	ws *websocket.Conn
}

func (p *place) client(path string) *visitor {
	p.t.Helper()
	ws, _, err := p.dial(path, nil)
	if err != nil {
		p.t.Fatalf("dial %s: %v", path, err)
	}
	p.t.Cleanup(func() { ws.CloseNow() })
	return &visitor{p.t, ws}
}

func (c *visitor) write(kind websocket.MessageType, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.ws.Write(ctx, kind, []byte(text)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *visitor) send(text string) { c.t.Helper(); c.write(websocket.MessageText, text) }

func (c *visitor) read() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, data, err := c.ws.Read(ctx)
	return string(data), err
}

func (c *visitor) want(lines ...string) {
	c.t.Helper()
	for _, line := range lines {
		got, err := c.read()
		if err != nil {
			c.t.Fatalf("read: %v, want %q", err, line)
		}
		if got != line {
			c.t.Fatalf("got %q, want %q", got, line)
		}
	}
}

// wantClosed reads until the connection ends and checks the close code.
func (c *visitor) wantClosed(code websocket.StatusCode) {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				c.t.Errorf("close code %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}

// follower reads a stream.
type follower struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
}

func (p *place) follow(path string, header ...string) *follower {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.http.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	f := &follower{p.t, resp, bufio.NewReader(resp.Body)}
	p.t.Cleanup(f.close)
	return f
}

func (f *follower) close() { f.resp.Body.Close() }

// want reads one record, given without its closing empty line.
func (f *follower) want(record string) {
	f.t.Helper()
	var lines []string
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			f.t.Fatalf("stream: %v after %q, want %q", err, lines, record)
		}
		if line == "\n" {
			break
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	if got := strings.Join(lines, "\n"); got != record {
		f.t.Fatalf("got %q, want %q", got, record)
	}
}

// texts is a TextHandler made of functions.
type texts struct {
	connect func(app.TextPeer, app.Visit) error
	text    func(app.TextPeer, []byte)
	closed  func(app.TextPeer, string)
}

type textsSession struct {
	texts
	peer app.TextPeer
}

func (h texts) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	if h.connect != nil {
		if err := h.connect(p, v); err != nil {
			return nil, err
		}
	}
	return textsSession{h, p}, nil
}

func (s textsSession) Text(data []byte) {
	if s.text != nil {
		s.text(s.peer, data)
		return
	}
	s.peer.Send(append([]byte("echo "), data...))
}

func (s textsSession) Close(reason string) {
	if s.closed != nil {
		s.closed(s.peer, reason)
	}
}

// streams is a StreamHandler made of functions.
type streams struct {
	connect func(app.StreamPeer, app.Visit) error
	closed  func(app.StreamPeer, string)
}

type streamsSession struct {
	streams
	peer app.StreamPeer
}

func (h streams) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	if h.connect != nil {
		if err := h.connect(p, v); err != nil {
			return nil, err
		}
	}
	return streamsSession{h, p}, nil
}

func (s streamsSession) Close(reason string) {
	if s.closed != nil {
		s.closed(s.peer, reason)
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// once returns a function that sends on a channel, at most one value.
func once[T any]() (func(T), <-chan T) {
	c := make(chan T, 1)
	var o sync.Once
	return func(v T) { o.Do(func() { c <- v }) }, c
}
