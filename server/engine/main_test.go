package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"signalbox/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// app is the program above the engine in tests. Its functions may be nil.
type app struct {
	open   func(*Session)
	text   func(*Session, []byte) error
	binary func(*Session, []byte) error

	sessions chan *Session
	closed   chan Reason
}

// client is the receiver of one session.
type client struct {
	app     *app
	session *Session
}

func newApp() *app {
	return &app{sessions: make(chan *Session, 4096), closed: make(chan Reason, 4096)}
}

// echo answers every message with itself.
func (a *app) echo() *app {
	a.text = func(s *Session, data []byte) error {
		return s.Reply(wire.Text([]byte{packetMessage}, data))
	}
	a.binary = func(s *Session, data []byte) error { return s.Reply(wire.Binary(data)) }
	return a
}

func (a *app) accept(s *Session) Receiver {
	if a.open != nil {
		a.open(s)
	}
	a.sessions <- s
	return &client{a, s}
}

func (c *client) Text(data []byte) error {
	if c.app.text == nil {
		return nil
	}
	return c.app.text(c.session, data)
}

func (c *client) Binary(data []byte) error {
	if c.app.binary == nil {
		return nil
	}
	return c.app.binary(c.session, data)
}

func (c *client) Closed(r Reason) { c.app.closed <- r }

// next returns the session that was opened next.
func (a *app) next(t testing.TB) *Session {
	t.Helper()
	return receive(t, a.sessions, "session")
}

// mustClose waits for the next end of a session.
func (a *app) mustClose(t testing.TB, want Reason) {
	t.Helper()
	if got := receive(t, a.closed, "end of a session"); got != want {
		t.Errorf("session ended by %q, want %q", got, want)
	}
}

func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
		panic("unreachable")
	}
}

// site is an engine behind a real listener on the loopback interface.
type site struct {
	*Server
	addr string
	http *httptest.Server
}

func start(t testing.TB, cfg Config, a *app) *site {
	t.Helper()
	setDefault(&cfg.CloseTimeout, 500*time.Millisecond) // what a test leaves behind is not worth the default
	return newListener(t, New(cfg, a.accept))
}

// newListener serves an engine until the end of the test, which ends the engine too.
func newListener(t testing.TB, s *Server) *site {
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &site{s, web.Listener.Addr().String(), web}
}

// url returns the address of the engine with a query.
func (s *site) url(query string) string { return "http://" + s.addr + "/socket.io/?" + query }

// dial opens a websocket with the client of another library.
func (s *site) dial(t testing.TB, query string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, s.url(query), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(64 * miB)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// connect begins a session on a websocket.
func (s *site) connect(t testing.TB) *websocket.Conn {
	t.Helper()
	c := s.dial(t, "EIO=4&transport=websocket")
	if open := read(t, c); !strings.HasPrefix(open, `0{"sid":"`) {
		t.Fatalf("first packet is %q", open)
	}
	return c
}

func read(t testing.TB, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, data, err := c.Read(ctx)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(data)
}

func write(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// readUntilClosed reads to the end and returns the close code, -1 if there was no close frame.
func readUntilClosed(t testing.TB, c *websocket.Conn) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("connection was not closed")
			}
			return int(websocket.CloseStatus(err))
		}
	}
}

// raw is a connection that speaks bytes.
type raw struct {
	net.Conn
	*bufio.Reader
	t testing.TB
}

func (r *raw) Read(p []byte) (int, error) { return r.Reader.Read(p) }

func (s *site) raw(t testing.TB) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &raw{nc, bufio.NewReader(nc), t}
}

// upgradeRequest is a websocket handshake for a query.
func upgradeRequest(query string) string {
	return "GET /socket.io/?" + query + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// rawWebSocket begins a session on a websocket and returns the connection behind the open packet. behind is sent
// together with the handshake.
func (s *site) rawWebSocket(t testing.TB, behind ...[]byte) *raw {
	t.Helper()
	r := s.raw(t)
	r.send([]byte(upgradeRequest("EIO=4&transport=websocket")), bytes.Join(behind, nil))
	r.head(http.StatusSwitchingProtocols)
	if op, open := r.frame(); op != opText || open[0] != packetOpen {
		t.Fatalf("first frame is %v %q", op, open)
	}
	return r
}

func (r *raw) send(parts ...[]byte) {
	r.t.Helper()
	if _, err := r.Write(bytes.Join(parts, nil)); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

// head reads a response without its body.
func (r *raw) head(status int) *http.Response {
	r.t.Helper()
	res, err := http.ReadResponse(r.Reader, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != status {
		r.t.Fatalf("status %d, want %d", res.StatusCode, status)
	}
	return res
}

// frame reads one frame of the server.
func (r *raw) frame() (opcode, []byte) {
	r.t.Helper()
	op, payload, err := readFrame(r.Reader)
	if err != nil {
		r.t.Fatalf("read frame: %v", err)
	}
	return op, payload
}

// mustEnd reads until the connection ends, and returns the payload of the close frame that came before, nil if none
// did.
func (r *raw) mustEnd() []byte {
	r.t.Helper()
	var closing []byte
	for {
		op, payload, err := readFrame(r.Reader)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				r.t.Fatal("connection was not closed")
			}
			return closing
		}
		if op == opClose {
			closing = append([]byte{}, payload...)
			r.Write(frame(opClose, true, payload)) // the server may have closed already
		}
	}
}

func readFrame(r *bufio.Reader) (opcode, []byte, error) {
	var head [2]byte
	if _, err := readFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := int(head[1])
	ext := 0
	switch size {
	case 126:
		ext = 2
	case 127:
		ext = 8
	}
	if ext > 0 {
		b := make([]byte, ext)
		if _, err := readFull(r, b); err != nil {
			return 0, nil, err
		}
		size = 0
		for _, c := range b {
			size = size<<8 | int(c)
		}
	}
	payload := make([]byte, size)
	_, err := readFull(r, payload)
	return opcode(head[0] & 0xF), payload, err
}

func readFull(r *bufio.Reader, p []byte) (int, error) {
	n := 0
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// frame returns a masked frame, as clients send it.
func frame(op opcode, fin bool, payload []byte) []byte {
	b := []byte{byte(op), maskBit}
	if fin {
		b[0] |= finBit
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = append(b, byte(n>>8), byte(n))
	default:
		b[1] |= 127
		b = append(b, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i&3])
	}
	return b
}

func text(s string) []byte { return frame(opText, true, []byte(s)) }

// sidOf returns the session id in an open packet.
func sidOf(t testing.TB, open string) string {
	t.Helper()
	var fields struct{ SID string }
	if open == "" || json.Unmarshal([]byte(open[1:]), &fields) != nil || len(fields.SID) != 20 {
		t.Fatalf("open packet is %q", open)
	}
	return fields.SID
}

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// withAttachments returns a text part followed by one binary part for each attachment.
func withAttachments(text []byte, attachments [][]byte) *wire.Message {
	b := wire.NewBuilder(len(text))
	b.Buf = append(b.Buf, text...)
	return b.Message(attachments...)
}
