package redis

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cutter stands between a link and Redis, and breaks connections behind what Redis was sent and before it has answered.
type cutter struct {
	listener net.Listener
	to       string
	cut      chan struct{} // gets a token with every cut
	running  sync.WaitGroup

	mu     sync.Mutex
	left   int // bytes of answers until the next cut; below zero: there is none
	conns  map[net.Conn]struct{}
	closed bool
}

func newCutter(t testing.TB, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, to: to, cut: make(chan struct{}, 1), left: -1, conns: map[net.Conn]struct{}{}}
	c.running.Go(c.accept) // awaited by the clean-up
	t.Cleanup(func() {
		c.listener.Close()
		c.mu.Lock()
		c.closed = true
		c.breakLocked()
		c.mu.Unlock()
		c.running.Wait()
	})
	return c
}

func (c *cutter) addr() string { return c.listener.Addr().String() }

// cutAfter has all connections broken after so many more bytes of answers.
func (c *cutter) cutAfter(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = bytes
}

func (c *cutter) breakLocked() {
	for conn := range c.conns {
		conn.Close()
	}
}

func (c *cutter) keep(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if c.closed {
			conn.Close()
			continue
		}
		c.conns[conn] = struct{}{}
	}
	return !c.closed
}

func (c *cutter) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.to)
		if err != nil {
			client.Close()
			continue
		}
		if !c.keep(client, server) {
			return
		}
		c.running.Go(func() { // awaited as accept
			_, _ = io.Copy(server, client) // ends when either end does
			server.Close()
		})
		c.running.Go(func() {
			_, _ = io.Copy(&counted{c, client}, server)
			client.Close()
		})
	}
}

// counted writes answers until the cut.
type counted struct {
	*cutter
	to net.Conn
}

func (w *counted) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left >= 0 {
		if w.left -= len(p); w.left < 0 {
			w.breakLocked()
			w.cutter.cut <- struct{}{} // has room: the test takes each
		}
	}
	return w.to.Write(p)
}
