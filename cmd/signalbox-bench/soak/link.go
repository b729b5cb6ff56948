package soak

import (
	"context"
	"net"
	"sync"
	"time"
)

// link is a TCP proxy of one client to whichever server it chose last, or of one server to Redis. Faults of the
// network happen here.
type link struct {
	listener net.Listener
	plant    *plant // nil: what the server says passes as it is
	done     sync.WaitGroup

	// mu guards the following.
	mu      sync.Mutex
	target  string
	refused bool          // new connections end at once
	gate    chan struct{} // closed while bytes may pass
	pairs   map[*pair]struct{}
	closed  bool
}

// pair is one connection through a link.
type pair struct {
	client, server net.Conn
	silent         chan struct{} // closed when the pair has become a black hole
	once           sync.Once
}

// newLink listens on a free port of loopback.
func newLink(target string, p *plant) (*link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{listener: l, plant: p, target: target, gate: make(chan struct{}), pairs: make(map[*pair]struct{})}
	close(k.gate)
	k.done.Go(k.accept)
	return k, nil
}

// addr is where to connect to.
func (k *link) addr() string { return k.listener.Addr().String() }

// aim names the server of the connections to come.
func (k *link) aim(target string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.target = target
}

// accept takes connections until close.
func (k *link) accept() {
	for {
		client, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		target, refused := k.target, k.refused
		k.mu.Unlock()
		if refused {
			client.Close()
			continue
		}
		k.done.Go(func() { k.connect(client, target) })
	}
}

// connect joins a client's connection to a new one to the server.
func (k *link) connect(client net.Conn, target string) {
	server, err := net.DialTimeout("tcp", target, 2*time.Second)
	if err != nil {
		client.Close()
		return
	}
	p := &pair{client: client, server: server, silent: make(chan struct{})}
	k.mu.Lock()
	if k.refused || k.closed {
		k.mu.Unlock()
		client.Close()
		server.Close()
		return
	}
	k.pairs[p] = struct{}{}
	k.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { k.copy(p, server, client, nil) })
	both.Go(func() { k.copy(p, client, server, k.plant) })
	both.Wait()
	k.mu.Lock()
	delete(k.pairs, p)
	k.mu.Unlock()
}

// copy passes bytes one way until either side ends.
func (k *link) copy(p *pair, to, from net.Conn, plant *plant) {
	defer func() {
		select {
		case <-p.silent: // a black hole: the other side does not learn that this one has gone
			from.Close()
		default:
			p.client.Close()
			p.server.Close()
		}
	}()
	buf := make([]byte, 16<<10)
	var cutter *mangler
	if plant != nil {
		cutter = &mangler{plant: plant}
	}
	for {
		n, err := from.Read(buf)
		if n > 0 {
			k.mu.Lock()
			gate := k.gate
			k.mu.Unlock()
			<-gate
			select {
			case <-p.silent:
				continue
			default:
			}
			out := buf[:n]
			if cutter != nil {
				out = cutter.pass(out)
			}
			if _, err := to.Write(out); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections at once.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.pairs {
		p.client.Close()
		p.server.Close()
	}
}

// hole swallows what either side says from now on. After a while the client gives up; the server is told nothing of
// it, as when a phone has left the network, and notices by its ping timeout.
func (k *link) hole(ctx context.Context, wait time.Duration) {
	k.mu.Lock()
	var lost []*pair
	for p := range k.pairs {
		p.once.Do(func() { close(p.silent) })
		lost = append(lost, p)
	}
	k.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
	for _, p := range lost {
		p.client.Close()
	}
}

// stall keeps everything back for a while; nothing is lost by it.
func (k *link) stall(ctx context.Context, wait time.Duration) {
	gate := make(chan struct{})
	k.mu.Lock()
	before := k.gate
	k.gate = gate
	k.mu.Unlock()
	defer close(gate)
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
	<-before
}

// refuse has new connections end at once, and ends those that are there; or no longer.
func (k *link) refuse(yes bool) {
	k.mu.Lock()
	k.refused = yes
	k.mu.Unlock()
	if yes {
		k.cut()
	}
}

// close ends everything.
func (k *link) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.listener.Close()
	k.cut()
	k.done.Wait()
}
