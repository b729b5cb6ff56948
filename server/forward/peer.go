package forward

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// spare is how many connections to one server are kept for later requests, and spareTime how long, twice that at
	// most: less than that server keeps them.
	spare     = 512
	spareTime = 40 * time.Second
	// maxReplay is how large a body may be that is sent again where a connection turns out to be closed.
	maxReplay = 64 << 10
	// dialTime bounds the beginning of a connection, TLS included.
	dialTime = 3 * time.Second
)

// peerConn is a connection to another server, over which one request at a time goes, without goroutines of its own:
// [http.Transport] has two for each, and takes three times as long for what is done here.
type peerConn struct {
	net.Conn
	in    *bufio.Reader
	since time.Time // when its last request had been answered
}

// peers are the connections to other servers that are not in use.
type peers struct {
	mu sync.Mutex
	// mu guards the following.
	free  map[string][]*peerConn // by scheme and host, the last one used last
	timer *time.Timer            // closes those that are not used; nil: there are none
	ended bool
}

var writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}

// do sends a request and returns the answer, whose body the caller reads before it calls done. The end of the
// request's context closes the connection. What one that was kept did not take is sent by another one: where the other
// server has taken it nevertheless, it refuses the second.
func (p *peers) do(r *http.Request, patience time.Duration) (res *http.Response, done func(), err error) {
	var body []byte
	if r.ContentLength > 0 && r.ContentLength <= maxReplay {
		body = make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, nil, err
		}
	}
	for {
		if body != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		var c *peerConn
		if r.Body == nil || body != nil {
			c = p.take(r)
		}
		kept := c != nil
		if !kept {
			if c, err = dial(r); err != nil {
				return nil, nil, err
			}
		}
		res, done, err = p.ask(c, r, patience)
		if err == nil || !kept || r.Context().Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return res, done, err
		}
	}
}

func (p *peers) ask(c *peerConn, r *http.Request, patience time.Duration) (res *http.Response, done func(), err error) {
	stop := context.AfterFunc(r.Context(), func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience)) // fails where reading does
	out := writers.Get().(*bufio.Writer)
	out.Reset(c)
	sent := errors.Join(r.Write(out), out.Flush())
	out.Reset(nil)
	writers.Put(out)
	res, err = http.ReadResponse(c.in, r) // which may be there although not all was sent: the body is too large
	if err != nil {
		stop()
		_ = c.Close()
		return nil, nil, errors.Join(sent, err)
	}
	_ = c.SetDeadline(time.Time{}) // both ends see to it that the body makes progress
	return res, func() {
		if n, err := res.Body.Read(make([]byte, 1)); !stop() || n > 0 || err != io.EOF || sent != nil || res.Close || !p.put(r, c) {
			_ = c.Close()
		}
	}, nil
}

func dial(r *http.Request) (*peerConn, error) {
	ctx, cancel := context.WithTimeout(r.Context(), dialTime)
	defer cancel()
	host, port := r.URL.Hostname(), r.URL.Port()
	var nc net.Conn
	var err error
	if r.URL.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		nc, err = new(tls.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	} else {
		if port == "" {
			port = "80"
		}
		nc, err = new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if err != nil {
		return nil, err
	}
	return &peerConn{Conn: nc, in: bufio.NewReader(nc)}, nil
}

func keyOf(r *http.Request) string { return r.URL.Scheme + "://" + r.URL.Host }

// take returns a connection that was kept; nil: there is none.
func (p *peers) take(r *http.Request) *peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.free[keyOf(r)]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	p.free[keyOf(r)] = list[:len(list)-1]
	return c
}

// put keeps a connection, and reports whether it does.
func (p *peers) put(r *http.Request, c *peerConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || len(p.free[keyOf(r)]) >= spare {
		return false
	}
	c.since = time.Now()
	p.free[keyOf(r)] = append(p.free[keyOf(r)], c)
	if p.timer == nil {
		p.timer = time.AfterFunc(spareTime, func() { p.sweep(spareTime) })
	}
	return true
}

// sweep closes what was not used for so long.
func (p *peers) sweep(age time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	for key, list := range p.free {
		for len(list) > 0 && time.Since(list[0].since) >= age {
			_ = list[0].Close()
			list = list[1:]
		}
		if p.free[key] = list; len(list) == 0 {
			delete(p.free, key)
		}
	}
	if len(p.free) > 0 {
		p.timer = time.AfterFunc(spareTime, func() { p.sweep(spareTime) })
	}
}

// end closes all that is kept, and keeps nothing any more.
func (p *peers) end() {
	p.mu.Lock()
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	p.sweep(0)
}
