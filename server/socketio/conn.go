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
	netconn "signalbox/server/conn"
	"signalbox/server/engine"
	"signalbox/server/engine/eio3"
)

var (
	errState  = errors.New("packet for a namespace that is not connected")
	errClosed = errors.New("the client has left")
)

// conn is one Engine.IO session with its namespaces. It receives from the engine ([netconn.Receiver]).
type conn struct {
	// Static after construction.
	server  *Server
	session *engine.Session
	msgpack bool // the client speaks msgpack; set before its first namespace
	eio3    bool // it speaks Engine.IO 3, see eio3.go

	closing atomic.Bool // the connection is told to end, or has ended

	mu sync.Mutex
	// mu guards the following.
	peers []*peer
	idle  *time.Timer // ends a connection that is in no namespace; nil while it is in one

	// Owned by the goroutine that reads.
	partial  *partial
	arrival  *time.Timer // ends a connection that owes an attachment; nil until it first does
	lastName string      // of the last event: most clients send few names
	bucket   netconn.Bucket
	begun    bool // a CONNECT has come
	misled   bool // the connection ends for a packet that came at the wrong time
	failed   bool // it ends since a handler panicked
	trusted  bool // how much its client sends is not limited
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
	if c.partial != nil || c.msgpack {
		return c.refuse(errAttachments)
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	var query []byte
	if c.eio3 {
		data, query = eio3.CutQuery(data)
	}
	args := s.args[:0]
	if isBinary(data) { // it waits for its attachments, longer than data and s last
		data, args = bytes.Clone(data), nil
	}
	p, err := decode(data, args)
	if err == nil && c.eio3 {
		err = p.authOf(query)
	}
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
		c.failed = err != nil
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
		s.event.Ack = app.NewAcker(peer.answerer(c), string(p.id))
	}
	return peer.handle(c, &s.event)
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

// throttle makes a client that sends more than it may wait, and with it TCP: it loses nothing and costs only itself.
// It reports whether the client is still there.
func (c *conn) throttle(weight float64) bool {
	limit := c.server.maxEvents.Load()
	if limit <= 0 || c.trusted {
		return true
	}
	weight += app.WeightInflated(c.session.Inflated())
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
