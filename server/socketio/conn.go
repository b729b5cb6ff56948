package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"signalbox/server/app"
	"signalbox/server/engine"
	"signalbox/server/rawjson"
)

var (
	errState  = errors.New("packet for a namespace that is not connected")
	errClosed = errors.New("the client has left")
	// errOwnEngine answers calls that only make sense inside the library's own engine.
	errOwnEngine = errors.New("signalbox serves its own engine")
)

// conn is one Engine.IO session with its namespaces. It receives from the engine ([engine.Receiver]) and stands in for
// the library's engine.Socket (face.go).
type conn struct {
	listeners // the library's, on "data", "error" and "close"

	// Static after construction.
	server  *Server
	session *engine.Session

	closing atomic.Bool // the connection is told to end
	closed  atomic.Bool // it has ended

	mu sync.Mutex
	// mu guards the following.
	peers   []*peer
	request *types.HttpContext

	// Owned by the goroutine that reads.
	partial  *partial
	lastName string // of the last event: most clients send few names
	bucket   engine.Bucket
}

// partial is a binary packet whose attachments are still to come.
type partial struct {
	packet      packet
	attachments [][]byte
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
		c.partial = &partial{packet: p}
		return nil
	}
	if err := c.handle(&p, nil, s); err != nil {
		return c.refuse(err)
	}
	return nil
}

// Binary takes the next attachment of a binary packet.
func (c *conn) Binary(data []byte) error {
	if c.closing.Load() {
		return nil
	}
	if c.partial == nil {
		return c.refuse(errAttachments)
	}
	c.partial.attachments = append(c.partial.attachments, bytes.Clone(data))
	if len(c.partial.attachments) < c.partial.packet.attachments {
		return nil
	}
	whole := c.partial
	c.partial = nil
	s := scratches.Get().(*scratch)
	defer s.release()
	err := checkPlaceholders(whole.packet.args, len(whole.attachments))
	if err == nil {
		err = c.handle(&whole.packet, whole.attachments, s)
	}
	if err != nil {
		return c.refuse(err)
	}
	return nil
}

func (s *scratch) release() {
	clear(s.args[:])
	s.event = app.Event{}
	scratches.Put(s)
}

// refuse counts a packet that ends its sender's connection.
func (c *conn) refuse(err error) error {
	if !errors.Is(err, errPanic) {
		c.server.counters.badPackets.Add(1)
	}
	return err
}

func (c *conn) handle(p *packet, attachments [][]byte, s *scratch) error {
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
	if !c.throttle() {
		return nil
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

// throttle makes a client that sends more events than it may wait, and with it TCP: it loses nothing and costs only
// itself. It reports whether the client is still there.
func (c *conn) throttle() bool {
	limit := c.server.cfg.MaxEventsPerSecond
	if limit <= 0 {
		return true
	}
	wait := c.bucket.Fill(time.Now(), limit, 2*limit)
	if wait <= 0 {
		return true
	}
	c.server.counters.throttled.Add(1)
	return c.session.Pause(wait)
}

// ack calls the callback that the program passed to an emit of the library.
func (c *conn) ack(p *packet, attachments [][]byte) error {
	peer := c.find(p.namespace)
	if peer == nil {
		return errState
	}
	return peer.acknowledge(p, attachments)
}

// connect asks the library to connect a namespace. Its answer comes back through [conn.write].
//
// Rule: a second CONNECT on a namespace that is connected, or about to be, closes the connection.
func (c *conn) connect(p *packet) error {
	name := string(p.namespace)
	auth := map[string]any{}
	// A handler gets the payload as it came. The library would keep it, decoded, as long as the client stays: many times
	// its size on the wire, and a token in it.
	if p.payload != nil && c.server.handlers[name] == nil {
		if err := json.Unmarshal(p.payload, &auth); err != nil {
			return rawjson.ErrSyntax
		}
	}
	if old := c.find(p.namespace); old != nil {
		if old.status() != left || !old.wasOpened() {
			return errState
		}
		old.awaitSettled()
		old.awaitGone()
		c.remove(old)
	}
	c.mu.Lock()
	if limit := c.server.cfg.MaxNamespaces; limit > 0 && c.presentLocked() >= limit {
		c.mu.Unlock()
		c.server.counters.namespacesRefused.Add(1)
		return c.session.Send(connectError(name, "Too many namespaces"))
	}
	peer := &peer{conn: c, name: name, auth: bytes.Clone(p.payload)}
	c.peers = append(c.peers, peer)
	c.mu.Unlock()
	c.Emit("data", &parser.Packet{Type: parser.CONNECT, Nsp: name, Data: auth})
	return nil
}

// disconnect ends a client's stay in a namespace at its own wish, and returns when the library has forgotten it: a
// CONNECT that follows at once must find the namespace free.
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
	peer.awaitSettled()
	peer.detach("client namespace disconnect")
	if sock := peer.socket(); sock.Connected() {
		c.Emit("data", &parser.Packet{Type: parser.DISCONNECT, Nsp: peer.name})
		peer.awaitGone()
	}
	c.remove(peer)
	return nil
}

// disconnectAll ends every namespace and then the connection.
func (c *conn) disconnectAll() {
	c.mu.Lock()
	peers := slices.Clone(c.peers)
	c.mu.Unlock()
	for _, p := range peers {
		if p.socket() != nil {
			p.Disconnect(false)
		}
	}
	c.Close(false)
}

// write queues what the library encoded, and follows what it says about a namespace.
func (c *conn) write(e *encoded) {
	kind := packetType(e.packet.Type)
	if kind != typeConnect && kind != typeConnectError && kind != typeDisconnect {
		_ = c.session.Send(e.message) // an ended connection is told through Closed
		return
	}
	peer := c.find([]byte(e.packet.Nsp))
	// A client that knows it is out may ask again at once: it is out before it knows.
	switch {
	case peer == nil && kind == typeConnectError:
		_ = c.session.Send(e.message)
	case peer == nil:
		// The client left meanwhile.
	case kind == typeConnect:
		peer.open(e.message)
		c.mu.Lock()
		c.request = nil
		c.mu.Unlock()
	case kind == typeConnectError:
		peer.detach("refused")
		c.remove(peer)
		_ = c.session.Send(e.message)
	case peer.leave("server namespace disconnect"): // else it left by itself, or was told before
		_ = c.session.Send(e.message) // DelAll, which comes next and without the library's lock, tells the handler
	}
}

// Closed tells the handlers and then the library that the connection has ended.
func (c *conn) Closed(reason engine.Reason) {
	c.closing.Store(true)
	c.closed.Store(true)
	c.partial = nil
	c.mu.Lock()
	peers := c.peers
	c.peers = nil
	c.request = nil
	c.mu.Unlock()
	for _, p := range peers {
		p.detach(reason.String())
	}
	c.Emit("close", reason.String(), "")
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
	for i := range c.peers {
		if c.peers[i] == p {
			c.peers = append(c.peers[:i], c.peers[i+1:]...)
			return
		}
	}
}
