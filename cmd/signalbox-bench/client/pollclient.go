package client

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
)

// recordSeparator stands between the packets of a polling body.
//
// Rule: [EIO4 packet encoding], "HTTP long-polling".
//
// [EIO4 packet encoding]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#http-long-polling-1
const recordSeparator = 0x1e

// pollClient is a Socket.IO client over HTTP long polling: one connection for the pending GET, one for POSTs.
type pollClient struct {
	// Static after construction.
	clock Clock
	on    Callbacks
	eio   string // path and query of every request
	sid   string
	get   *httpConn
	post  *httpConn
	ctx   context.Context // ended by cut
	stop  context.CancelFunc
	ended chan struct{}
	wake  chan struct{} // holds a token while out is not empty

	// mu guards the following.
	mu  sync.Mutex
	out []byte
}

// dialPolling opens a session by polling and connects to the namespace "/". The client does not poll until start.
func dialPolling(ctx context.Context, t Target, clk Clock, on Callbacks) (*pollClient, error) {
	c := &pollClient{
		clock: clk, on: on, eio: t.path + "?EIO=4&transport=polling",
		get: NewHTTPConn(t), post: NewHTTPConn(t),
		ended: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	c.ctx, c.stop = context.WithCancel(ctx)
	if err := c.connect(); err != nil {
		c.Cut()
		return nil, err
	}
	return c, nil
}

// connect carries out the handshake and the CONNECT exchange.
func (c *pollClient) connect() error {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	open, err := c.get.Do(ctx, "GET", c.eio, nil)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if !bytes.HasPrefix(open, []byte("0{")) {
		return fmt.Errorf("open packet is %.40q", open)
	}
	eioID, err := StringAfter(open, []byte(`"sid":"`))
	if err != nil {
		return err
	}
	c.eio += "&sid=" + eioID
	if _, err := c.post.Do(ctx, "POST", c.eio, []byte("40")); err != nil {
		return fmt.Errorf("post CONNECT: %w", err)
	}
	body, err := c.get.Do(ctx, "GET", c.eio, nil)
	if err != nil {
		return fmt.Errorf("answer to CONNECT: %w", err)
	}
	first, _, _ := bytes.Cut(body, []byte{recordSeparator})
	c.sid, err = connectedID(first, "")
	return err
}

// Start begins to poll and to send what is queued; done tells the end of both.
func (c *pollClient) Start() {
	var both sync.WaitGroup
	both.Go(func() { c.end(c.pollLoop()) })
	both.Go(func() { c.sendLoop() })
	go func() {
		both.Wait()
		close(c.ended)
	}()
}

// end closes the connections and reports why.
func (c *pollClient) end(err error) {
	c.Cut()
	if c.on.End != nil {
		c.on.End(err)
	}
}

// pollLoop keeps a GET pending and returns why it stopped.
func (c *pollClient) pollLoop() error {
	for {
		body, err := c.get.Do(c.ctx, "GET", c.eio, nil)
		if err != nil {
			return err
		}
		at := c.clock.Now()
		for more := true; more; {
			var p []byte
			p, body, more = bytes.Cut(body, []byte{recordSeparator})
			pong, err := c.on.packet(at, p)
			if err != nil {
				return err
			}
			if pong {
				if err := c.Send([]byte("3")); err != nil {
					return err
				}
			}
		}
	}
}

// sendLoop posts what send queued, all of it in one body, as the JavaScript client does.
func (c *pollClient) sendLoop() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.wake:
		}
		c.mu.Lock()
		body := c.out
		c.out = nil
		c.mu.Unlock()
		if len(body) == 0 {
			continue // it went with what was sent before it
		}
		if _, err := c.post.Do(c.ctx, "POST", c.eio, body); err != nil {
			c.Cut()
			return
		}
	}
}

// Send queues a packet for the next POST; it does not wait for it.
func (c *pollClient) Send(packet []byte) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if len(c.out) > 0 {
		c.out = append(c.out, recordSeparator)
	}
	c.out = append(c.out, packet...)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

func (c *pollClient) SocketID() string { return strings.Clone(c.sid) }

// Leave posts a close packet of its own connection's making, then closes: the posting one may be busy.
func (c *pollClient) Leave() {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	last := NewHTTPConn(c.post.target)
	_, _ = last.Do(ctx, "POST", c.eio, []byte("41\x1e1"))
	last.Close()
	c.Cut()
}

func (c *pollClient) Cut() {
	c.stop()
	c.get.Close()
	c.post.Close()
}

func (c *pollClient) Done() <-chan struct{} { return c.ended }
