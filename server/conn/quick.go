package conn

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"signalbox/internal/rawio"
)

// attempt is one write that does not block.
type attempt struct {
	call  func(fd uintptr)
	piece []byte
	n     int
	err   error
}

func (a *attempt) init() {
	a.call = func(fd uintptr) { a.n, a.err = rawio.Write(fd, a.piece) }
}

// write writes as much of p as the kernel takes at once.
func (a *attempt) write(raw syscall.RawConn, p []byte) (int, error) {
	a.piece, a.n, a.err = p, 0, nil
	// Control and not Write: callers keep writers apart, and nothing waits until the descriptor is writable.
	err := raw.Control(a.call)
	a.piece = nil
	if err != nil {
		return 0, err
	}
	return a.n, a.err
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.init()
	return a
}}

// socket is a connection of the kernel: TCP, or a unix socket.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// ResponseChunk is what is written of a response between two looks at the clock: a slow client may take as long as it
// makes progress.
const ResponseChunk = 32 * kiB

// quickConn is a connection of a [Listener] until it is taken over from net/http.
type quickConn struct {
	socket
	raw      syscall.RawConn // nil where descriptors are not written to directly
	listener *Listener

	poll   atomic.Pointer[chan struct{}] // wakes the poll that waits, nil: none does
	behind atomic.Bool                   // more was read than a request without a body

	non *nonBlocking // once a [Conn] has it with its TLS

	// Set by readPreface, once.
	preface    sync.Once
	remote     net.Addr // what the preface says; nil: nothing
	prefaceErr error

	// Guarded by listener.mu.
	waits, fresh bool // for a request; for its first one
	taken, gone  bool // net/http does not have it any more; it is closed
	prev, next   *quickConn
}

// endOfHeader ends a request that has no body.
var endOfHeader = []byte("\r\n\r\n")

// Read implements [net.Conn]. A request that comes behind a poll is not served before the poll is answered, so it ends
// the wait: Node's server handles it at once.
func (c *quickConn) Read(p []byte) (int, error) {
	if c.non != nil {
		return c.non.read(p)
	}
	if c.readPreface(); c.prefaceErr != nil {
		return 0, c.prefaceErr
	}
	n, err := c.socket.Read(p)
	if n == 0 {
		return n, err
	}
	c.behind.Store(bytes.Index(p[:n], endOfHeader) != n-len(endOfHeader))
	if wake := c.poll.Load(); wake != nil {
		select {
		case *wake <- struct{}{}:
		default:
		}
	}
	return n, err
}

// AwaitBehind has wake signalled when something comes behind the request of a poll, until the function it returns is
// called.
func AwaitBehind(r *http.Request, wake chan struct{}) (end func()) {
	c, ok := r.Context().Value(connKey{}).(*quickConn)
	if !ok {
		return func() {}
	}
	c.poll.Store(&wake)
	if c.behind.Load() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	return func() { c.poll.Store(nil) }
}

// connKey is the key of the connection in the context of its requests.
type connKey struct{}

// Context is the ConnContext of the http.Server.
func (l *Listener) Context(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, nc)
}

// readPreface reads what stands before the client's own bytes, when net/http asks for the address or for data: on the
// goroutine of this connection, so others do not wait for it.
func (c *quickConn) readPreface() {
	if c.listener.o.Preface != nil {
		c.preface.Do(func() { c.remote, c.prefaceErr = c.listener.o.Preface(c.socket) })
	}
}

// RemoteAddr implements [net.Conn].
func (c *quickConn) RemoteAddr() net.Addr {
	if c.readPreface(); c.remote != nil {
		return c.remote
	}
	return c.socket.RemoteAddr()
}

// Close implements [net.Conn].
func (c *quickConn) Close() error {
	err := c.socket.Close()
	if err == nil { // the first time
		c.listener.forget(c.socket, c)
	}
	return err
}

// ownConn is a connection of a [Listener] that a [Conn] has, or will have.
type ownConn struct {
	socket
	listener *Listener
}

// Close implements [net.Conn].
func (c ownConn) Close() error {
	err := c.socket.Close()
	if err == nil { // the first time
		c.listener.forget(c.socket, nil)
	}
	return err
}

// SetLinger gives up what a client does not read.
func (c ownConn) SetLinger(seconds int) error { return setLinger(c.socket, seconds) }

// Write implements [net.Conn]. What does not fit into the kernel's buffer is written in pieces that have the write
// timeout each.
func (c *quickConn) Write(p []byte) (int, error) {
	if c.non != nil {
		return c.non.write(c, p)
	}
	n, err := quickWrite(c.raw, p)
	for err == nil && n < len(p) {
		if err = c.socket.SetWriteDeadline(time.Now().Add(c.listener.o.WriteTimeout)); err != nil {
			break
		}
		var more int
		more, err = c.socket.Write(p[n:min(n+ResponseChunk, len(p))])
		if n += more; more > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	return n, err
}

// ReadFrom implements [io.ReaderFrom], which net/http looks for, by way of Write: that of a TCP connection has no
// timeout.
func (c *quickConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// quickWrite writes what the kernel takes at once; nothing where raw is nil.
func quickWrite(raw syscall.RawConn, p []byte) (int, error) {
	if raw == nil || len(p) == 0 {
		return 0, nil
	}
	a := attempts.Get().(*attempt)
	n, err := a.write(raw, p)
	attempts.Put(a)
	return n, err
}

// quickOf returns the connection of a [Listener] that nc is, or that is below its TLS; nil: neither.
func quickOf(nc net.Conn) *quickConn {
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	quick, _ := nc.(*quickConn)
	return quick
}

// bare returns the connection that nc is without its quick writes: a [Conn] has its own.
func bare(nc net.Conn) net.Conn {
	switch nc := nc.(type) {
	case *quickConn:
		return ownConn{nc.socket, nc.listener}
	case *tls.Conn:
		if secure := newSecureConn(nc); secure != nil {
			return secure
		}
	}
	return nc
}
