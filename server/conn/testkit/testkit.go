// Package testkit is what tests of connections share: clients that speak bytes, frames, and a listener in memory.
package testkit

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Patience is how long a test waits for what must happen.
const Patience = 10 * time.Second

// Opcodes of frames.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xA
)

// Receive waits for a value.
func Receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Patience):
		t.Fatalf("no %s within %v", what, Patience)
		panic("unreachable")
	}
}

// Until waits until holds does.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(Patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s within %v", what, Patience)
		}
	}
}

// Raw is a connection that speaks bytes.
type Raw struct {
	net.Conn
	*bufio.Reader
	t testing.TB
}

// NewRaw speaks over nc.
func NewRaw(t testing.TB, nc net.Conn) *Raw { return &Raw{nc, bufio.NewReader(nc), t} }

// DialRaw connects to a server.
func DialRaw(t testing.TB, addr string) *Raw {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(Patience))
	return NewRaw(t, nc)
}

// Read implements [io.Reader].
func (r *Raw) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// UpgradeRequest is a websocket handshake for a path.
func UpgradeRequest(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// Offering returns a websocket handshake with an offer of extensions.
func Offering(request, extensions string) string {
	return strings.TrimSuffix(request, "\r\n") + "Sec-WebSocket-Extensions: " + extensions + "\r\n\r\n"
}

// RSV1 with the opcode of a message's first frame tells that the message is compressed.
const RSV1 = 0x40

// Deflated returns a message as permessage-deflate has it, by another library than the server's.
func Deflated(message []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression) // the level is valid
	_, _ = w.Write(message)                               // a buffer takes every write
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// Inflated returns the message that a server has compressed.
func Inflated(t testing.TB, packed []byte) []byte {
	t.Helper()
	end := []byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")
	message, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(packed), bytes.NewReader(end))))
	if err != nil {
		t.Fatalf("inflate %d bytes: %v", len(packed), err)
	}
	return message
}

// UpgradeHeader are the headers of a websocket handshake, names and values in turn.
func UpgradeHeader() []string {
	return []string{"Connection", "keep-alive, Upgrade", "Upgrade", "WebSocket", "Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
}

// Send writes all parts at once.
func (r *Raw) Send(parts ...[]byte) {
	r.t.Helper()
	if _, err := r.Write(bytes.Join(parts, nil)); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

// Head reads a response without its body.
func (r *Raw) Head(status int) *http.Response {
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

// Frame reads one frame of the server.
func (r *Raw) Frame() (op byte, payload []byte) {
	r.t.Helper()
	op, payload, err := ReadFrame(r.Reader)
	if err != nil {
		r.t.Fatalf("read frame: %v", err)
	}
	return op, payload
}

// MustEnd reads until the connection ends, and returns the payload of the close frame that came before, nil if none
// did.
func (r *Raw) MustEnd() []byte {
	r.t.Helper()
	var closing []byte
	for {
		op, payload, err := ReadFrame(r.Reader)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				r.t.Fatal("connection was not closed")
			}
			return closing
		}
		if op == Close {
			closing = append([]byte{}, payload...)
			r.Write(Frame(Close, true, payload)) // the server may have closed already
		}
	}
}

// ReadFrame reads one frame that is not masked.
func ReadFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := int(head[1])
	switch size {
	case 126:
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint16(head[2:]))
	case 127:
		if _, err := io.ReadFull(r, head[2:10]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint64(head[2:]))
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r, payload)
	return head[0] & 0xF, payload, err
}

// Frame returns a masked frame, as clients send it.
func Frame(op byte, fin bool, payload []byte) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i&3])
	}
	return b
}

// TextFrame returns a masked frame of text.
func TextFrame(s string) []byte { return Frame(Text, true, []byte(s)) }

// CodeOf returns the code in the payload of a close frame: 0 for an empty payload, -1 for no frame.
func CodeOf(payload []byte) int {
	switch {
	case payload == nil:
		return -1
	case len(payload) < 2:
		return 0
	default:
		return int(binary.BigEndian.Uint16(payload))
	}
}

// Dial opens a websocket with the client of another library.
func Dial(t testing.TB, url string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(64 << 20)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// Read reads one message.
func Read(t testing.TB, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, data, err := c.Read(ctx)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(data)
}

// Write sends a text message.
func Write(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// ReadUntilClosed reads to the end and returns the close code, -1 if there was no close frame.
func ReadUntilClosed(t testing.TB, c *websocket.Conn) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
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

// Pipes is a listener in memory, so that a server and its clients can live in a bubble where time is not real.
type Pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// NewPipes returns a listener.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

// Dial connects to whoever accepts.
func (p *Pipes) Dial(t testing.TB) *Raw {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return NewRaw(t, ours)
}

// Accept implements [net.Listener].
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *Pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

// Addr implements [net.Listener].
func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
