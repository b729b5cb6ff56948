package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// attempt is one write that does not block.
type attempt struct {
	call  func(fd uintptr)
	piece []byte
	n     int
	err   error
}

func (a *attempt) init() {
	a.call = func(fd uintptr) { a.n, a.err = writeFD(fd, a.piece) }
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

// quickConn is a TCP connection of a [Listener] until it is taken over from net/http.
type quickConn struct {
	*net.TCPConn
	raw      syscall.RawConn // nil where descriptors are not written to directly
	listener *Listener

	// Guarded by listener.mu.
	waits, fresh bool // for a request; for its first one
	taken, gone  bool // net/http does not have it any more; it is closed
	prev, next   *quickConn
}

// Close implements [net.Conn].
func (c *quickConn) Close() error {
	err := c.TCPConn.Close()
	if err == nil { // the first time
		c.listener.forget(c.TCPConn, c)
	}
	return err
}

// ownConn is a connection of a [Listener] that the engine has taken over.
type ownConn struct {
	*net.TCPConn
	listener *Listener
}

// Close implements [net.Conn].
func (c ownConn) Close() error {
	err := c.TCPConn.Close()
	if err == nil { // the first time
		c.listener.forget(c.TCPConn, nil)
	}
	return err
}

// Write implements [net.Conn]. What does not fit into the kernel's buffer is written in pieces that have the write timeout
// each.
func (c *quickConn) Write(p []byte) (int, error) {
	n, err := quickWrite(c.raw, p)
	for err == nil && n < len(p) {
		if err = c.TCPConn.SetWriteDeadline(time.Now().Add(c.listener.o.WriteTimeout)); err != nil {
			break
		}
		var more int
		more, err = c.TCPConn.Write(p[n:min(n+responseChunk, len(p))])
		if n += more; more > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	return n, err
}

// ReadFrom implements [io.ReaderFrom], which net/http looks for, by way of Write: that of the TCP connection has no
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

// bare returns the connection that nc is without its quick writes: the engine has its own.
func bare(nc net.Conn) net.Conn {
	if quick, ok := nc.(*quickConn); ok {
		return ownConn{quick.TCPConn, quick.listener}
	}
	return nc
}
