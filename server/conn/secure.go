package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"signalbox/internal/rawio"
)

// secureConn is a connection with TLS that a [Conn] has. It behaves like one without: while its reader waits
// there is no buffer, and a write of a flusher never waits for the client. That works from below: the connection under
// the TLS does not block any more, see [nonBlocking].
type secureConn struct {
	*tls.Conn
	quick *quickConn
}

// nonBlocking is what a [quickConn] has when its TLS belongs to a [Conn].
type nonBlocking struct {
	// Owned by the goroutine that reads, while it does.
	fd    uintptr
	empty bool // the kernel had less than was asked for: there is nothing more

	mu   sync.Mutex
	held []byte // what the kernel has not taken, guarded by mu
}

// errAgain tells TLS that nothing is there to read yet. It keeps what it has of a record, as after a deadline, and
// goes on with it at the next call.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// newSecureConn takes the connection below secure over; nil where descriptors are not read directly.
func newSecureConn(secure *tls.Conn) *secureConn {
	quick, ok := secure.NetConn().(*quickConn)
	if !ok || quick.raw == nil {
		return nil
	}
	quick.non = new(nonBlocking)
	return &secureConn{secure, quick}
}

// read is [rawio.Read] for what is below TLS on the descriptor. It returns what all records have that are there: messages that
// came together are handled together, in whichever records their client has sent them.
func (s *secureConn) read(fd uintptr, p []byte) (n int, again bool, err error) {
	s.quick.non.fd, s.quick.non.empty = fd, false
	for n < len(p) && err == nil {
		var m int
		m, err = s.Conn.Read(p[n:])
		n += m
	}
	if n > 0 {
		return n, false, nil // an error comes again
	}
	return 0, errors.Is(err, errAgain), err
}

// read reads from the descriptor what is there.
func (b *nonBlocking) read(p []byte) (int, error) {
	if b.empty {
		return 0, errAgain
	}
	n, again, err := rawio.Read(b.fd, p)
	b.empty = n > 0 && n < len(p)
	switch {
	case again:
		return 0, errAgain
	case n == 0 && err == nil && len(p) > 0:
		return 0, io.EOF
	}
	return n, err
}

// write writes what the kernel takes, and holds the rest.
func (b *nonBlocking) write(c *quickConn, p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	if len(b.held) == 0 {
		var err error
		if n, err = quickWrite(c.raw, p); err != nil {
			return n, err
		}
	}
	b.held = append(b.held, p[n:]...)
	return len(p), nil
}

// tryWrite writes p, scratchBytes of it at most, without waiting, and returns how much it has taken and whether the
// kernel has not: what is held goes out with drain.
func (s *secureConn) tryWrite(p []byte) (n int, blocked bool, err error) {
	n, err = s.Conn.Write(p[:min(len(p), scratchBytes)])
	s.quick.non.mu.Lock()
	defer s.quick.non.mu.Unlock()
	return n, len(s.quick.non.held) > 0, err
}

// drain waits until the kernel has what is held. A write may take as long as it makes progress.
func (s *secureConn) drain() error {
	b := s.quick.non
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.held) > 0 {
		if err := s.quick.socket.SetWriteDeadline(time.Now().Add(s.quick.listener.o.WriteTimeout)); err != nil {
			return err
		}
		n, err := s.quick.socket.Write(b.held[:min(len(b.held), ResponseChunk)])
		b.held = b.held[n:]
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	b.held = nil
	return nil
}

// Write implements [net.Conn].
func (s *secureConn) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n, blocked, err := s.tryWrite(p[written:])
		if blocked && err == nil {
			err = s.drain()
		}
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// Close implements [net.Conn]. Where something is held TLS says no good-bye: it would have to wait.
func (s *secureConn) Close() error {
	if b := s.quick.non; b.mu.TryLock() {
		empty := len(b.held) == 0
		b.mu.Unlock()
		if empty {
			return s.Conn.Close()
		}
	}
	return s.quick.Close()
}

// SetLinger gives up what a client does not read.
func (s *secureConn) SetLinger(seconds int) error { return setLinger(s.quick.socket, seconds) }

func setLinger(s socket, seconds int) error {
	if tcp, ok := s.(*net.TCPConn); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}
