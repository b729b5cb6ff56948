package forward

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
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
	free  map[string][]*peerConn // by NODE_URL, the last one used last
	timer *time.Timer            // closes those that are not used; nil: there are none
	ended bool
}

// request is what is sent to another server.
type request struct {
	head    []byte    // with the body, where that is small
	body    io.Reader // what else there is of it; nil: nothing
	chunked bool      // the length of body is not known
}

// add adds a header. Neither part can hold a line feed: they were read from a request.
func (r *request) add(name, value string) {
	r.head = append(append(append(append(r.head, name...), ": "...), value...), "\r\n"...)
}

// end adds a body of so many bytes, -1: that is not known.
func (r *request) end(body io.Reader, length int64) error {
	if r.chunked = length < 0; r.chunked {
		r.add("Transfer-Encoding", "chunked")
	} else if length > 0 {
		r.add("Content-Length", strconv.FormatInt(length, 10))
	}
	r.head = append(r.head, "\r\n"...)
	if length < 0 || length > maxReplay {
		r.body = body
		return nil
	}
	start := len(r.head)
	r.head = slices.Grow(r.head, int(length))[:start+int(length)]
	_, err := io.ReadFull(body, r.head[start:])
	return err
}

func (r *request) writeTo(c io.Writer) error {
	_, err := c.Write(r.head)
	switch {
	case err != nil || r.body == nil:
		return err
	case !r.chunked:
		_, err = io.Copy(c, r.body)
		return err
	}
	chunks := httputil.NewChunkedWriter(c)
	if _, err = io.Copy(chunks, r.body); err == nil {
		if err = chunks.Close(); err == nil {
			_, err = io.WriteString(c, "\r\n")
		}
	}
	return err
}

// do sends a request to the server at a NODE_URL and returns the answer, whose body the caller reads before it calls
// done. The end of ctx closes the connection. What one that was kept did not take is sent by another one: where the
// other server has taken it nevertheless, it refuses the second.
func (p *peers) do(ctx context.Context, at string, r *request, patience time.Duration) (res *http.Response, done func(), err error) {
	for {
		var c *peerConn
		if r.body == nil {
			c = p.take(at)
		}
		kept := c != nil
		if !kept {
			if c, err = dial(ctx, at); err != nil {
				return nil, nil, err
			}
		}
		res, done, err = p.ask(ctx, at, c, r, patience)
		if err == nil || !kept || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return res, done, err
		}
	}
}

func (p *peers) ask(ctx context.Context, at string, c *peerConn, r *request, patience time.Duration) (res *http.Response, done func(), err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience)) // fails where reading does
	sent := r.writeTo(c)
	res, err = http.ReadResponse(c.in, nil) // which may be there although not all was sent: the body is too large
	if err != nil {
		stop()
		_ = c.Close()
		return nil, nil, errors.Join(sent, err)
	}
	_ = c.SetDeadline(time.Time{}) // both ends see to it that the body makes progress
	return res, func() {
		if n, err := res.Body.Read(make([]byte, 1)); !stop() || n > 0 || err != io.EOF || sent != nil || res.Close || !p.put(at, c) {
			_ = c.Close()
		}
	}, nil
}

func dial(ctx context.Context, at string) (*peerConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	var d interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = new(net.Dialer)
	port := "80"
	if u.Scheme == "https" {
		d, port = new(tls.Dialer), "443"
	}
	nc, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	if err != nil {
		return nil, err
	}
	return &peerConn{Conn: nc, in: bufio.NewReader(nc)}, nil
}

// take returns a connection that was kept; nil: there is none.
func (p *peers) take(at string) *peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.free[at]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	p.free[at] = list[:len(list)-1]
	return c
}

// put keeps a connection, and reports whether it does.
func (p *peers) put(at string, c *peerConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || len(p.free[at]) >= spare {
		return false
	}
	c.since = time.Now()
	p.free[at] = append(p.free[at], c)
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
