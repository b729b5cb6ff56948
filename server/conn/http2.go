package conn

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"
)

// OverHTTP2 lets [Place.Stream] take over requests that came over HTTP/2, where there is no connection to take: the
// request goes on until the stream is closed, and what is written to the connection that next gets is written to the
// response.
func OverHTTP2(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		h := &http2Writer{ResponseWriter: w, r: r}
		defer h.wait()
		next.ServeHTTP(h, r)
	})
}

// http2Writer is a response over HTTP/2 that can be taken over.
type http2Writer struct {
	http.ResponseWriter
	r    *http.Request
	conn *http2Conn // nil: it was not
}

// Unwrap is for [http.ResponseController].
func (h *http2Writer) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// Flush implements [http.Flusher].
func (h *http2Writer) Flush() { _ = http.NewResponseController(h.ResponseWriter).Flush() } // fails where the client is gone

// Hijack implements [http.Hijacker].
func (h *http2Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.conn != nil {
		return nil, nil, http.ErrHijacked
	}
	ours, theirs := net.Pipe()
	h.conn = &http2Conn{Conn: ours, out: http.NewResponseController(h.ResponseWriter), w: h.ResponseWriter, closed: make(chan struct{})}
	gone := context.AfterFunc(h.r.Context(), func() { _ = theirs.Close() })
	h.conn.end = func() { gone(); _ = ours.Close(); _ = theirs.Close() }
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// wait returns when the response may end.
func (h *http2Writer) wait() {
	if h.conn != nil {
		<-h.conn.closed
	}
}

// http2Conn is a connection of which only the end can be read, and which begins with the head of a response as
// HTTP/1.1 writes it.
type http2Conn struct {
	net.Conn // one end of a pipe: reading ends with the request
	end      func()
	once     sync.Once
	closed   chan struct{}

	writing sync.Mutex
	// writing guards the following.
	w    http.ResponseWriter // nil: the request is over
	head []byte              // as much of it as was written, until it is whole
	sent bool

	deadline sync.Mutex
	// deadline guards the following. A deadline that passes resets the stream, so it counts during a write only.
	out    *http.ResponseController
	until  time.Time
	writes bool // a write has begun and not ended
}

// Write implements [net.Conn].
func (c *http2Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.w == nil {
		return 0, net.ErrClosed
	}
	if !c.beginWrite() {
		return 0, os.ErrDeadlineExceeded
	}
	defer c.endWrite()
	body := p
	if !c.sent {
		c.head = append(c.head, p...)
		head, rest, whole := bytes.Cut(c.head, []byte("\r\n\r\n"))
		if !whole {
			return len(p), nil
		}
		if err := c.begin(head); err != nil {
			return 0, err
		}
		c.sent, c.head, body = true, nil, rest
	}
	if _, err := c.w.Write(body); err != nil {
		return 0, err
	}
	if err := http.NewResponseController(c.w).Flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin sends the head of the response.
func (c *http2Conn) begin(head []byte) error {
	in := textproto.NewReader(bufio.NewReader(strings.NewReader(string(head) + "\r\n\r\n")))
	if _, err := in.ReadLine(); err != nil { // HTTP/1.1 200 OK
		return err
	}
	header, err := in.ReadMIMEHeader()
	if err != nil {
		return err
	}
	for name, values := range header {
		if name != "Connection" {
			c.w.Header()[name] = values
		}
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// beginWrite puts the deadline on the stream, and reports whether it has not passed.
func (c *http2Conn) beginWrite() bool {
	c.deadline.Lock()
	defer c.deadline.Unlock()
	if !c.until.IsZero() && !time.Now().Before(c.until) {
		return false
	}
	c.writes = true
	_ = c.out.SetWriteDeadline(c.until) // fails where the client is gone, as the write will
	return true
}

func (c *http2Conn) endWrite() {
	c.deadline.Lock()
	defer c.deadline.Unlock()
	c.writes = false
	_ = c.out.SetWriteDeadline(time.Time{})
}

// SetWriteDeadline implements [net.Conn].
func (c *http2Conn) SetWriteDeadline(t time.Time) error {
	c.deadline.Lock()
	defer c.deadline.Unlock()
	c.until = t
	if !c.writes {
		return nil
	}
	return c.out.SetWriteDeadline(t)
}

// SetDeadline implements [net.Conn].
func (c *http2Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// Close implements [net.Conn]. It waits for a write.
func (c *http2Conn) Close() error {
	c.once.Do(func() {
		c.end()
		c.writing.Lock()
		c.w = nil
		c.writing.Unlock()
		close(c.closed)
	})
	return nil
}
