package engine

import (
	"net"
	"sync"
	"syscall"
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
type quickListener struct{ net.Listener }

// Listener returns l with connections that write as the engine does, for the http.Server in front of it: a poll or a
// handshake takes less CPU. It does not change what the connections do. A listener that is not TCP is returned as it is.
func Listener(l net.Listener) net.Listener {
	if _, ok := l.(*net.TCPListener); !ok {
		return l
	}
	return quickListener{l}
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
	return &quickConn{TCPConn: tcp, raw: rawConn(tcp)}, nil
}

// quickConn is a TCP connection until it is taken over from net/http.
type quickConn struct {
	*net.TCPConn
	raw syscall.RawConn // nil where descriptors are not written to directly
}

// Write implements [net.Conn]. What does not fit into the kernel's buffer is written as usual, with its deadline.
func (c *quickConn) Write(p []byte) (int, error) {
	n, err := quickWrite(c.raw, p)
	if err != nil || n == len(p) {
		return n, err
	}
	rest, err := c.TCPConn.Write(p[n:])
	return n + rest, err
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
