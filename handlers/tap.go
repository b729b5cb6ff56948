package handlers

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

// maxConnectionID bounds the JSON of a connectionId, which is kept as long as its client is there.
const maxConnectionID = 1024

const (
	// tellTap is the topic on which nodes tell each other what came in on /tap.
	tellTap = "tap"
	// willTap is the topic of the wills of clients of /tap: that they have gone.
	willTap = "tap"
)

// Tap serves the plain WebSocket /tap: what its clients send goes to all who listen to /events, on every node of a cluster.
type Tap struct {
	// Static after construction.
	hub   RoomHub
	nodes hub.Nodes
	wills store.Wills // nil: nobody reads them
	gate  gatekeeper

	// mu is held while a message is sent, so that a stream that comes back gets it either from the buffer or live, and
	// other nodes get messages in the order of the buffer.
	mu sync.Mutex
	// mu guards the following.
	recent tapBuffer
}

func newTap(h RoomHub, nodes hub.Nodes, wills store.Wills, gate gatekeeper) *Tap {
	t := &Tap{hub: h, nodes: nodes, wills: wills, gate: gate, recent: newTapBuffer(nodes != hub.Alone)}
	nodes.OnTell(tellTap, t.receive)
	return t
}

// Text returns the handler of /tap. Where tokens are required it asks for one with the scope tap.
func (t *Tap) Text() app.TextHandler { return tapDoor{t} }

type tapDoor struct{ tap *Tap }

// Connect implements [app.TextHandler].
func (d tapDoor) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	id, err := d.tap.gate.scoped(v, tapScope)
	if err != nil {
		return nil, err
	}
	lease := d.tap.gate.watch(id, nil, func() { p.Close(app.ClosePolicy, "token expired") })
	c := &tapClient{tap: d.tap, lease: lease, will: willTap + " " + p.ID()}
	c.bequeath()
	return c, nil
}

// tapClient is one client of /tap.
type tapClient struct {
	tap   *Tap
	lease *auth.Lease
	will  string          // the key of its will
	id    json.RawMessage // the last connectionId; nil: it has not spoken yet
}

// bequeath has another node tell that the client has gone, should this one die. takeBack undoes it.
func (c *tapClient) bequeath() {
	if w := c.tap.wills; w != nil {
		w.Will(store.Will{Key: c.will, Topic: willTap, Body: c.end()})
	}
}

func (c *tapClient) takeBack() {
	if w := c.tap.wills; w != nil {
		w.Unwill(c.will)
	}
}

// end returns that the client has gone.
func (c *tapClient) end() []byte {
	return append(appendFirst([]byte(`{"close":{`), "connectionId", c.id), "}}"...)
}

// Text implements [app.TextSession]. Nothing is ever sent back.
func (c *tapClient) Text(data []byte) {
	counters := c.tap.gate.counters
	id, ok := connectionID(data)
	if !ok {
		counters.tapDropped.Add(1)
		return
	}
	if !bytes.Equal(id, c.id) {
		c.takeBack()
		c.id = bytes.Clone(id)
		c.bequeath()
	}
	counters.tapMessages.Add(1)
	c.tap.send(bytes.TrimSpace(data))
}

// Close implements [app.TextSession]. Nobody is told about a client that was not let in after all: with that anybody
// could fill the streams, and push out what is kept for those who come back.
func (c *tapClient) Close(reason string) {
	stopLease(c.lease)
	c.takeBack()
	if reason == app.ReasonNotOpened {
		return
	}
	c.tap.send(c.end())
}

// connectionID returns the connectionId of a frame, and whether the frame is JSON and has one that JavaScript takes for
// true.
func connectionID(data []byte) (json.RawMessage, bool) {
	if !json.Valid(data) {
		return nil, false
	}
	f, ok := fieldsOf(data, "connectionId")
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
	data = oneLine(data)
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
		t.gate.log.Debug("message of another node's tap dropped")
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deliverLocked(place, data)
}

func (t *Tap) deliverLocked(place tapPlace, data []byte) {
	t.hub.SendHere(topicTap, &hub.Message{SSE: t.recent.add(place, data)})
}

// execute tells that a client of /tap has gone, with its node: body is from its will. It reports whether it is one.
func (t *Tap) execute(body []byte) bool {
	if !json.Valid(body) {
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
		t.hub.Join(first, topicTap)
		defer t.hub.Leave(first, topicTap)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if missed := t.recent.missed(lastID); len(missed) > 0 {
		p.Send(missed)
	}
	t.hub.Join(p.Member(), topicTap)
}

// nobody is a member that gets nothing.
type nobody struct{}

// Deliver implements [hub.Sink].
func (nobody) Deliver(*hub.Message) bool { return false }
