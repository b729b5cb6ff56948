package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/engine"
)

var (
	errState  = errors.New("packet for a namespace that is not connected")
	errClosed = errors.New("the client has left")
)

// conn is one Engine.IO session with its namespaces. It receives from the engine ([engine.Receiver]).
type conn struct {
	// Static after construction.
	server  *Server
	session *engine.Session

	closing atomic.Bool // the connection is told to end, or has ended

	mu sync.Mutex
	// mu guards the following.
	peers []*peer
	idle  *time.Timer // ends a connection that is in no namespace; nil while it is in one

	// Owned by the goroutine that reads.
	partial  *partial
	arrival  *time.Timer // ends a connection that owes an attachment; nil until it first does
	lastName string      // of the last event: most clients send few names
	bucket   engine.Bucket
	misled   bool // the connection ends for a packet that came at the wrong time
}

// scratch is what handling one event needs and nobody keeps.
type scratch struct {
	args  [8]json.RawMessage
	event app.Event
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Text handles one packet. An error ends the connection.
func (c *conn) Text(data []byte) error {
	if c.closing.Load() {
		return nil
	}
	if c.partial != nil {
		return c.refuse(errAttachments)
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	args := s.args[:0]
	if isBinary(data) { // it waits for its attachments, longer than data and s last
		data, args = bytes.Clone(data), nil
	}
	p, err := decode(data, args)
	if err != nil {
		return c.refuse(err)
	}
	if p.attachments > 0 {
		c.expect(p, len(data))
		return nil
	}
	return c.refuse(c.handle(&p, nil, s))
}

func (s *scratch) release() {
	clear(s.args[:])
	s.event = app.Event{}
	scratches.Put(s)
}

// refuse counts a packet that ends its sender's connection. Programs hear of one that cannot be decoded.
//
// Rule: as in the reference implementation, its reason is "forced close", that of one which came at the wrong time "forced
// server close".
func (c *conn) refuse(err error) error {
	if err == nil || errors.Is(err, errPanic) {
		return err
	}
	c.server.counters.badPackets.Add(1)
	if c.misled = errors.Is(err, errState); !c.misled {
		c.mu.Lock()
		peers := slices.Clone(c.peers)
		c.mu.Unlock()
		for _, p := range peers {
			if s := p.LibrarySession(); s != nil && p.status() == connected {
				s.Fault(err)
			}
		}
	}
	return err
}

// handle gives a packet to whoever it is for. Whatever it is, it counts against what the client may send.
func (c *conn) handle(p *packet, attachments [][]byte, s *scratch) error {
	weight := 1.0
	if p.kind == typeConnect {
		weight = app.WeightConnect
	}
	if !c.throttle(weight) {
		return nil
	}
	switch p.kind {
	case typeEvent, typeBinaryEvent:
		return c.event(p, attachments, s)
	case typeAck, typeBinaryAck:
		return c.ack(p, attachments)
	case typeConnect:
		return c.connect(p)
	case typeDisconnect:
		return c.disconnect(p)
	default:
		return errPacket
	}
}

// event dispatches an EVENT on this goroutine, so that the next packet waits until the handler returns.
func (c *conn) event(p *packet, attachments [][]byte, s *scratch) error {
	name, err := c.name(p.args[0])
	if err != nil {
		return err
	}
	peer := c.find(p.namespace)
	if peer == nil {
		return errState
	}
	s.event = app.Event{Name: name, RawName: p.args[0], Args: p.args[1:], Attachments: attachments}
	if len(p.id) > 0 {
		s.event.Ack = app.NewAcker(peer, string(p.id))
	}
	return peer.handle(&s.event)
}

// name returns an event's name without making a new string for one that was just seen.
func (c *conn) name(raw json.RawMessage) (string, error) {
	if len(raw) == len(c.lastName)+2 && raw[0] == '"' && string(raw[1:len(raw)-1]) == c.lastName {
		return c.lastName, nil
	}
	name, err := eventName(raw)
	if err != nil {
		return "", err
	}
	if len(name)+2 == len(raw) { // plain: its bytes are its text
		c.lastName = name
	}
	return name, nil
}

// throttle makes a client that sends more than it may wait, and with it TCP: it loses nothing and costs only itself. It reports whether the client is still there.
func (c *conn) throttle(weight float64) bool {
	limit := c.server.cfg.MaxEventsPerSecond
	if limit <= 0 {
		return true
	}
	wait := c.bucket.Fill(time.Now(), weight, limit, 2*limit)
	if wait <= 0 {
		return true
	}
	c.server.counters.throttled.Add(1)
	return c.session.Pause(wait)
}

// ack gives the answer to an event that a client was asked to answer to who waits for it.
func (c *conn) ack(p *packet, attachments [][]byte) error {
	peer := c.find(p.namespace)
	if peer == nil {
		return errState
	}
	return peer.acknowledge(p, attachments)
}

// connect lets the client into a namespace, or refuses it.
//
// Rule: a second CONNECT on a namespace that is connected, or about to be, closes the connection.
func (c *conn) connect(p *packet) error {
	name := string(p.namespace)
	if old := c.find(p.namespace); old != nil {
		if old.status() != left {
			return errState
		}
		c.remove(old)
	}
	c.mu.Lock()
	if limit := c.server.cfg.MaxNamespaces; limit > 0 && c.presentLocked() >= limit {
		c.mu.Unlock()
		c.server.counters.namespacesRefused.Add(1)
		return c.sendConnectError(name, "Too many namespaces", nil)
	}
	peer := newPeer(c, name)
	c.peers = append(c.peers, peer)
	c.mu.Unlock()
	if c.closing.Load() { // it ended meanwhile, and who ended it did not see the peer
		peer.detach(engine.ReasonForcedClose.String())
		return nil
	}
	if h := c.server.handlers[name]; h != nil {
		peer.attach(h, p.payload)
		return nil
	}
	if c.server.library == nil {
		peer.Refuse("Invalid namespace", nil)
		return nil
	}
	return peer.attachToLibrary(p.payload)
}

func (c *conn) sendConnectError(namespace, message string, data any) error {
	m, err := connectError(namespace, message, data)
	if err != nil {
		c.server.log.Error("the data of a connect error cannot be written", "namespace", namespace, "error", err)
		m, _ = connectError(namespace, message, nil) // a text always can
	}
	return c.session.Send(m)
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
		c.session.Close(engine.ReasonForcedClose)
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

// Names implements [engine.Named]: of several namespaces the id in the first counts.
func (c *conn) Names() (id, user string) {
	c.mu.Lock()
	peers := slices.Clone(c.peers)
	c.mu.Unlock()
	for _, p := range peers {
		if id == "" {
			id = p.ID()
		}
		if user == "" {
			user = p.member.User()
		}
	}
	return id, user
}

// Closed tells handlers and programs that the connection has ended.
func (c *conn) Closed(reason engine.Reason) {
	c.closing.Store(true)
	c.expectNothing()
	c.inNamespace()
	c.mu.Lock()
	peers := c.peers
	c.peers = nil
	c.mu.Unlock()
	text := reason.String()
	if c.misled && reason == engine.ReasonForcedClose {
		text = "forced server close"
	}
	for _, p := range peers {
		p.detach(text)
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
