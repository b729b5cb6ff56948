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

// quickListener accepts connections of which a write that the kernel takes at once costs the scheduler nothing.
type quickListener struct {
	net.Listener
	writeTimeout time.Duration
}

// Listener returns l with connections that write as the engine does, for the http.Server in front of it: a poll or a
// handshake takes less CPU, and a write, of whatever answer, may take as long as it makes progress within writeTimeout.
// After that it fails, and net/http closes the connection: one whose client sends requests and does not read the answers
// would stay for ever. A write deadline that is set on a connection counts until its next blocked write. A listener that
// is not TCP is returned as it is.
func Listener(l net.Listener, writeTimeout time.Duration) net.Listener {
	if _, ok := l.(*net.TCPListener); !ok {
		return l
	}
	return quickListener{l, writeTimeout}
}

func (l quickListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc, nil
	}
	return &quickConn{TCPConn: tcp, raw: rawConn(tcp), writeTimeout: l.writeTimeout}, nil
}

// quickConn is a TCP connection until it is taken over from net/http.
type quickConn struct {
	*net.TCPConn
	raw          syscall.RawConn // nil where descriptors are not written to directly
	writeTimeout time.Duration
}

// Write implements [net.Conn]. What does not fit into the kernel's buffer is written in pieces that have the write timeout
// each.
func (c *quickConn) Write(p []byte) (int, error) {
	n, err := quickWrite(c.raw, p)
	for err == nil && n < len(p) {
		if err = c.TCPConn.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
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
		return quick.TCPConn
	}
	return nc
}
