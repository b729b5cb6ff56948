package server

import (
	"net"
	"net/http"
	"sync"
)

// connections follows the TCP connections that net/http owns: until they are closed or become websockets.
type connections struct {
	mu sync.Mutex
	// mu guards the following.
	open  int
	fresh map[net.Conn]struct{} // those that have not sent a whole request header yet
}

// follow is the server's ConnState.
func (c *connections) follow(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.fresh == nil {
			c.fresh = make(map[net.Conn]struct{})
		}
		c.open++
		c.fresh[conn] = struct{}{}
	case http.StateHijacked, http.StateClosed:
		c.open--
		delete(c.fresh, conn)
	default:
		delete(c.fresh, conn)
	}
}

// count returns how many are open.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// closeFresh closes the connections on which no request has come. [http.Server.Shutdown] would wait 5 s for each, and
// browsers open some in advance.
func (c *connections) closeFresh() {
	c.mu.Lock()
	fresh := make([]net.Conn, 0, len(c.fresh))
	for conn := range c.fresh {
		fresh = append(fresh, conn)
	}
	c.mu.Unlock()
	for _, conn := range fresh { // not under the lock: closing may report a state
		_ = conn.Close()
	}
}
