package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBodyBytes bounds what a server may make the generator buffer for one answer.
const maxBodyBytes = 64 << 20

// keepAlive is how long an unused connection is trusted. Servers close theirs after a while, Node's after five seconds,
// and a request that meets the close is lost.
const keepAlive = 4 * time.Second

// httpConn does one HTTP/1.1 request at a time over one kept-alive connection. It knows just what Socket.IO servers
// answer to polling and saves the cost of net/http, which would be most of the load on a small machine.
type httpConn struct {
	target Target
	Header string // more header lines, each with its end

	// Owned by the caller of do.
	in   *bufio.Reader
	out  []byte
	body []byte
	used time.Time // end of the last request

	// mu guards the following; close may be called from anywhere.
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func NewHTTPConn(t Target) *httpConn { return &httpConn{target: t} }

// Do sends a request and returns the body of a 200 answer, valid until the next call. Anything else is an error.
func (h *httpConn) Do(ctx context.Context, method, uri string, body []byte) ([]byte, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	h.out = append(h.out[:0], method...)
	h.out = append(h.out, ' ')
	h.out = append(h.out, uri...)
	h.out = append(h.out, " HTTP/1.1\r\nHost: "...)
	h.out = append(h.out, h.target.host...)
	h.out = append(h.out, "\r\n"...)
	h.out = append(h.out, h.Header...)
	if method == "POST" {
		h.out = append(h.out, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "...)
		h.out = strconv.AppendInt(h.out, int64(len(body)), 10)
		h.out = append(h.out, "\r\n"...)
	}
	h.out = append(h.out, "\r\n"...)
	h.out = append(h.out, body...)
	if _, err := conn.Write(h.out); err != nil {
		return nil, err
	}
	answer, err := h.answer()
	h.used = time.Now()
	return answer, err
}

// connect returns the connection, a new one where there is none.
func (h *httpConn) connect(ctx context.Context) (net.Conn, error) {
	if time.Since(h.used) > keepAlive {
		h.drop()
	}
	h.mu.Lock()
	conn, closed := h.conn, h.closed
	h.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	if conn != nil {
		return conn, nil
	}
	conn, err := h.target.dial(ctx, 0)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	h.conn = conn
	if h.in == nil {
		h.in = bufio.NewReaderSize(conn, 2048)
	} else {
		h.in.Reset(conn)
	}
	return conn, nil
}

// answer reads one response.
func (h *httpConn) answer() ([]byte, error) {
	line, err := h.line()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) < 12 {
		return nil, fmt.Errorf("status line %.80q", line)
	}
	status := string(line[9:12])
	length, chunked, last := int64(-1), false, false
	for {
		line, err := h.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.ParseInt(value, 10, 64); err != nil || length < 0 {
				return nil, fmt.Errorf("content length %.40q", value)
			}
		case "transfer-encoding":
			chunked = strings.EqualFold(value, "chunked")
		case "connection":
			last = strings.EqualFold(value, "close")
		}
	}
	h.body = h.body[:0]
	switch {
	case chunked:
		err = h.chunks()
	case length >= 0:
		err = h.read(length)
	default:
		err = errors.New("answer without a length")
	}
	if err != nil {
		return nil, err
	}
	if last {
		h.drop()
	}
	if status != "200" {
		return nil, fmt.Errorf("status %s: %.200s", status, h.body)
	}
	return h.body, nil
}

// line reads one header line without its end.
func (h *httpConn) line() ([]byte, error) {
	line, err := h.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// read appends n bytes to the body.
func (h *httpConn) read(n int64) error {
	have := len(h.body)
	if int64(have)+n > maxBodyBytes {
		return fmt.Errorf("answer of %d bytes is too long", n)
	}
	h.body = append(h.body, make([]byte, n)...)
	_, err := io.ReadFull(h.in, h.body[have:])
	return err
}

// chunks reads a chunked body (RFC 9112 section 7.1) without trailers.
func (h *httpConn) chunks() error {
	for {
		line, err := h.line()
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("chunk size %.40q", line)
		}
		if n > 0 {
			if err := h.read(n); err != nil {
				return err
			}
		}
		if end, err := h.line(); err != nil || len(end) > 0 {
			return fmt.Errorf("chunk of %d bytes does not end", n)
		}
		if n == 0 {
			return nil
		}
	}
}

// drop closes the connection; the next request opens another.
func (h *httpConn) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}

// Close closes the connection for good.
func (h *httpConn) Close() {
	h.drop()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
}
