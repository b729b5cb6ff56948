// Package tap owns the plain WebSocket /tap and the stream /events: what is sent to the one comes out of the other, on every
// node of a cluster.
package tap

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/handlers/gate"
	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
)

// listeners is where the streams are.
var listeners = hub.Room{Kind: hub.KindTopic, Name: "tap"}

// rewritePause is how long a client's leave notice is left as it is at least.
const rewritePause = 10 * time.Second

// maxConnectionID bounds the JSON of a connectionId, which is kept as long as its client is there.
const maxConnectionID = 1024

const (
	// tellTap is the topic on which nodes tell each other what came in on /tap.
	tellTap = "tap"
	// TopicNotice is the topic of the leave notices of clients of /tap: that they have gone.
	TopicNotice = "tap"
)

// Tap serves the plain WebSocket /tap: what its clients send goes to all who listen to /events, on every node of a cluster.
type Tap struct {
	// Static after construction.
	hub     *hub.Hub
	nodes   hub.Nodes
	notices store.LeaveNotices // nil: nobody reads them
	gate    *gate.Gate
	log     *slog.Logger

	stats Stats

	// mu is held while a message is sent, so that a stream that comes back gets it either from the buffer or live, and
	// other nodes get messages in the order of the buffer.
	mu sync.Mutex
	// mu guards the following.
	recent buffer
}

// Options are what a tap stands on. All but Nodes and Notices are needed.
type Options struct {
	Hub  *hub.Hub
	Gate *gate.Gate
	Log  *slog.Logger
	// Nodes are the other nodes of a cluster; nil: there are none.
	Nodes hub.Nodes
	// Notices keeps what the others are to tell when this node dies; nil: nobody does.
	Notices store.LeaveNotices
}

// New returns a tap to which nothing was sent yet.
func New(o Options) *Tap {
	if o.Nodes == nil {
		o.Nodes = hub.Alone
	}
	t := &Tap{hub: o.Hub, nodes: o.Nodes, notices: o.Notices, gate: o.Gate, log: o.Log, recent: newBuffer(o.Nodes != hub.Alone)}
	o.Nodes.OnTell(tellTap, t.receive)
	return t
}

// Stats is what was done since the tap was made: frames that went on to the streams, and those that did not, for bad JSON or
// want of a connectionId.
type Stats struct{ Messages, Dropped atomic.Uint64 }

// Stats returns what was done so far; it goes on counting.
func (t *Tap) Stats() *Stats { return &t.stats }

// Text returns the handler of /tap. Where tokens are required it asks for one with the scope tap.
func (t *Tap) Text() app.TextHandler { return textDoor{t} }

type textDoor struct{ tap *Tap }

// Connect implements [app.TextHandler].
func (d textDoor) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	id, err := d.tap.gate.Scoped(v, gate.ScopeTap)
	if err != nil {
		return nil, err
	}
	who := gate.Client{ID: p.ID(), Addr: v.RemoteAddr}
	if id != nil {
		who.User = id.UserID()
	}
	lease := d.tap.gate.Watch(who, id, nil, func() { p.Close(app.ClosePolicy, "token expired") })
	c := &client{tap: d.tap, peer: p, lease: lease, notice: TopicNotice + " " + p.ID()}
	c.leaveNotice()
	return c, nil
}

// client is one client of /tap.
type client struct {
	tap    *Tap
	peer   app.TextPeer
	lease  *auth.Lease
	notice string          // the key of its leave notice
	id     json.RawMessage // the last connectionId; nil: it has not spoken yet

	noticed   json.RawMessage // the connectionId in the notice
	rewritten time.Time       // when that was last changed
}

// User implements [app.Known].
func (c *client) User() string { return c.lease.User() }

// leaveNotice has another node tell that the client has gone, should this one die. withdrawNotice undoes it.
func (c *client) leaveNotice() {
	if w := c.tap.notices; w != nil {
		w.AddNotice(store.LeaveNotice{Key: c.notice, Topic: TopicNotice, Body: c.end()})
	}
}

func (c *client) withdrawNotice() {
	if w := c.tap.notices; w != nil {
		w.WithdrawNotice(c.notice)
	}
}

// rewriteNotice has the leave notice say which connectionId was the last. A client that changes it all the time is not followed
// at once: each change is written to Redis.
func (c *client) rewriteNotice() {
	if c.tap.notices == nil || bytes.Equal(c.noticed, c.id) || time.Since(c.rewritten) < rewritePause {
		return
	}
	c.withdrawNotice()
	c.leaveNotice()
	c.noticed, c.rewritten = c.id, time.Now()
}

// end returns that the client has gone.
func (c *client) end() []byte {
	return append(message.AppendFirst([]byte(`{"close":{`), "connectionId", c.id), "}}"...)
}

// Text implements [app.TextSession]. Nothing is ever sent back.
func (c *client) Text(data []byte) {
	id, ok := connectionID(data)
	if !ok {
		c.tap.stats.Dropped.Add(1)
		return
	}
	if !bytes.Equal(id, c.id) {
		app.Charge(c.peer, app.WeightCostly)
		c.id = bytes.Clone(id)
	}
	c.rewriteNotice()
	c.tap.stats.Messages.Add(1)
	c.tap.send(bytes.TrimSpace(data))
}

// Close implements [app.TextSession]. Nobody is told about a client that was not let in after all: with that anybody
// could fill the streams, and push out what is kept for those who come back.
func (c *client) Close(reason string) {
	gate.Stop(c.lease)
	c.withdrawNotice()
	if reason == app.ReasonNotOpened {
		return
	}
	c.tap.send(c.end())
}

// connectionID returns the connectionId of a frame, and whether the frame is JSON and has one that JavaScript takes for
// true.
func connectionID(data []byte) (json.RawMessage, bool) {
	if rawjson.Check(data) != nil {
		return nil, false
	}
	f, ok := rawjson.Fields(data, "connectionId")
	if !ok || len(f[0]) == 0 || len(f[0]) > maxConnectionID {
		return nil, false
	}
	switch id := f[0]; id[0] {
	case 'n', 'f':
		return nil, false
	case '"':
		return id, len(id) > 2
	case 't', '{', '[':
		return id, true
	default:
		// A number beyond what a double holds is Infinity, which is true.
		n, err := strconv.ParseFloat(string(id), 64)
		return id, n != 0 || err != nil
	}
}

// send gives one message, a JSON value, to all who listen, and keeps it for those who come back, on every node.
func (t *Tap) send(data []byte) {
	data = message.OneLine(data)
	t.mu.Lock()
	defer t.mu.Unlock()
	place := t.recent.next()
	t.deliverLocked(place, data)
	t.nodes.Tell(tellTap, appendTold(nil, place, data))
}

// receive takes what came in on /tap at another node.
func (t *Tap) receive(body []byte) {
	place, data, ok := parseTold(body)
	if !ok {
		t.log.Debug("message of another node's tap dropped")
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deliverLocked(place, data)
}

func (t *Tap) deliverLocked(place place, data []byte) {
	t.hub.SendHere(listeners, &hub.Message{SSE: t.recent.add(place, data)})
}

// CarryOut tells that a client of /tap has gone with its node, by the body of its leave notice. It reports whether it could be
// read.
func (t *Tap) CarryOut(body []byte) bool {
	if rawjson.Check(body) != nil {
		return false
	}
	t.send(body)
	return true
}

// listen gives a stream what is sent from now on, and before it what it has missed since lastID, if that says something.
func (t *Tap) listen(p app.StreamPeer, lastID string) {
	if t.nodes != hub.Alone {
		// The first member of a room may have to wait for other nodes, who may be busy telling what came in there. That
		// needs the lock, so somebody is in the room before.
		first := hub.NewMember("", nobody{})
		t.hub.Join(first, listeners)
		defer t.hub.Leave(first, listeners)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if missed := t.recent.missed(lastID); len(missed) > 0 {
		p.Send(missed)
	}
	t.hub.Join(p.Member(), listeners)
}

// nobody is a member that gets nothing.
type nobody struct{}

// Deliver implements [hub.Sink].
func (nobody) Deliver(*hub.Message) bool { return false }
