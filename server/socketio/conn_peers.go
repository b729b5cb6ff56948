package socketio

import (
	"bytes"
	"slices"
	"time"

	"signalbox/server/app"
	netconn "signalbox/server/conn"
)

// This file is how a connection comes to its namespaces, and leaves them.

// connect lets the client into a namespace, or refuses it.
//
// Rule: a second CONNECT on a namespace that is connected, or about to be, closes the connection.
func (c *conn) connect(p *packet) error {
	name := string(p.namespace)
	c.begun = true
	if old := c.find(p.namespace); old != nil {
		if old.status() != left {
			return errState
		}
		c.remove(old)
	}
	if c.eio3 && !c.awaitFormer(name) {
		return nil
	}
	c.mu.Lock()
	if limit := c.server.cfg.MaxNamespaces; limit > 0 && c.presentLocked() >= limit {
		c.mu.Unlock()
		c.server.counters.namespacesRefused.Add(1)
		return c.sendConnectError(name, "Too many namespaces", nil)
	}
	c.mu.Unlock()
	payload := p.payload
	recovers := c.server.recovers(name) && !c.eio3
	if recovers {
		var back bool
		if payload, back = c.restore(name, payload); back {
			return nil
		}
	}
	peer := newPeer(c, name)
	h := c.server.handlerOf(peer)
	if recovers && (h.Handler != nil || c.server.library != nil) && !h.momentary {
		c.server.recoveries.settle(peer)
	}
	c.mu.Lock()
	c.peers = append(c.peers, peer)
	c.mu.Unlock()
	if c.closing.Load() { // it ended meanwhile, and who ended it did not see the peer
		peer.detach(netconn.ReasonForcedClose.String())
		return nil
	}
	switch {
	case peer.gone != nil:
		c.bucket.Charge(h.weight)
		c.server.attachLater(peer, h, bytes.Clone(payload))
		return nil
	case h.Handler != nil:
		peer.attach(h, payload)
		return nil
	}
	if c.server.library == nil {
		peer.Refuse("Invalid namespace", nil)
		return nil
	}
	return peer.attachToLibrary(payload)
}

func (c *conn) sendConnectError(namespace, message string, data any) error {
	encode := connectError
	if c.eio3 {
		encode = connectError3
	}
	m, err := encode(namespace, message, data)
	if err != nil {
		c.server.log.Error("the data of a connect error cannot be written", "namespace", namespace, "error", err)
		m, _ = encode(namespace, message, nil) // a text always can
	}
	return c.send(m)
}

// disconnect ends a client's stay in a namespace at its own wish.
func (c *conn) disconnect(p *packet) error {
	peer := c.find(p.namespace)
	if peer == nil {
		return errState
	}
	switch peer.status() {
	case asked, attached:
		return errState
	case left: // the server ended it first
		return nil
	}
	peer.detach("client namespace disconnect")
	c.remove(peer)
	return nil
}

// disconnectAll ends every namespace and then the connection.
func (c *conn) disconnectAll() {
	c.mu.Lock()
	peers := slices.Clone(c.peers)
	c.mu.Unlock()
	for _, p := range peers {
		if p.status() != asked {
			p.Disconnect(false)
		}
	}
	c.end()
}

// end ends the connection. What was queued before still leaves.
func (c *conn) end() {
	if c.closing.CompareAndSwap(false, true) {
		c.session.Close(netconn.ReasonForcedClose)
	}
}

// awaitNamespace gives a client that is in no namespace time to join one.
func (c *conn) awaitNamespace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil && !c.closing.Load() {
		c.idle = time.AfterFunc(c.server.cfg.ConnectTimeout, c.end)
	}
}

// inNamespace ends the wait for a namespace.
func (c *conn) inNamespace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
}

// Upgraded implements [engine.Upgrader].
func (c *conn) Upgraded() {
	w := c.server.cfg.Watch
	if w == nil {
		return
	}
	c.mu.Lock()
	peers := slices.Clone(c.peers)
	c.mu.Unlock()
	for _, p := range peers {
		w.Upgraded(p)
	}
}

// Names implements [netconn.Named]: of several namespaces the id in the first counts.
func (c *conn) Names() (id, user string) {
	c.mu.Lock()
	peers := slices.Clone(c.peers)
	c.mu.Unlock()
	for _, p := range peers {
		if id == "" {
			id = p.ID()
		}
		if user == "" {
			p.mu.Lock()
			session := p.session
			p.mu.Unlock()
			user = app.UserOf(session, p.member)
		}
	}
	return id, user
}

// Closed tells handlers and programs that the connection has ended.
func (c *conn) Closed(reason netconn.Reason) {
	c.closing.Store(true)
	c.expectNothing()
	c.inNamespace()
	c.mu.Lock()
	peers := slices.Clone(c.peers)
	c.mu.Unlock()
	text := reason.String()
	if c.misled && reason == netconn.ReasonForcedClose {
		text = "forced server close"
	}
	returns := c.mayReturn(reason)
	for _, p := range peers {
		if returns && (reason != netconn.ReasonServerShutdown || p.library == nil) && p.goAway(c, text) {
			continue // other nodes fetch it, but for the library's clients
		}
		p.detach(text)
		c.remove(p)
	}
	c.server.counters.conns.Add(-1)
}

func (c *conn) find(namespace []byte) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if p.name == string(namespace) {
			return p
		}
	}
	return nil
}

// isAlone reports whether the client is in no namespace, nor about to be.
func (c *conn) isAlone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.presentLocked() == 0
}

// presentLocked returns how many namespaces the client is in, or about to be.
func (c *conn) presentLocked() int {
	n := 0
	for _, p := range c.peers {
		if p.status() != left {
			n++
		}
	}
	return n
}

func (c *conn) remove(p *peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.peers, p); i >= 0 {
		c.peers = slices.Delete(c.peers, i, i+1)
	}
}
