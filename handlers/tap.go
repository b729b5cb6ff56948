package handlers

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"signalbox/server/auth"
	"signalbox/server/hub"
)

const (
	// maxConnectionID bounds the JSON of a connectionId, which is kept as long as its client is there.
	maxConnectionID = 1024
	// replayMessages and replayBytes bound what is kept for streams that come back.
	replayMessages = 256
	replayBytes    = 1 << 20
)

// Tap serves the plain WebSocket /tap: what its clients send goes to all who listen to /events.
type Tap struct {
	// Static after construction.
	hub  RoomHub
	gate gatekeeper
	// began, in milliseconds since 1970, tells the ids of this process from those of an earlier one.
	began int64

	// mu is held while a message is sent, so that a stream that comes back gets it either from the buffer or live.
	mu sync.Mutex
	// mu guards the following.
	last   uint64   // the number of the newest message
	recent [][]byte // the records before and with it, oldest first
	size   int      // their bytes
}

func newTap(h RoomHub, gate gatekeeper) *Tap {
	return &Tap{hub: h, gate: gate, began: time.Now().UnixMilli()}
}

// Text returns the handler of /tap. Where tokens are required it asks for one with the scope tap.
func (t *Tap) Text() hub.TextHandler { return tapDoor{t} }

type tapDoor struct{ tap *Tap }

// Connect implements [hub.TextHandler].
func (d tapDoor) Connect(p hub.TextPeer, v hub.Visit) (hub.TextSession, error) {
	id, err := d.tap.gate.scoped(v, tapScope)
	if err != nil {
		return nil, err
	}
	lease := d.tap.gate.watch(id, nil, func() { p.Close(hub.ClosePolicy, "token expired") })
	return &tapClient{tap: d.tap, lease: lease}, nil
}

// tapClient is one client of /tap.
type tapClient struct {
	tap   *Tap
	lease *auth.Lease
	id    json.RawMessage // the last connectionId; nil: it has not spoken yet
}

// Text implements [hub.TextSession]. Nothing is ever sent back.
func (c *tapClient) Text(data []byte) {
	counters := c.tap.gate.counters
	id, ok := connectionID(data)
	if !ok {
		counters.tapDropped.Add(1)
		return
	}
	if !bytes.Equal(id, c.id) {
		c.id = bytes.Clone(id)
	}
	counters.tapMessages.Add(1)
	c.tap.send(bytes.TrimSpace(data))
}

// Close implements [hub.TextSession]. Nobody is told about a client that was not let in after all: with that anybody
// could fill the streams, and push out what is kept for those who come back.
func (c *tapClient) Close(reason string) {
	stopLease(c.lease)
	if reason == hub.ReasonNotOpened {
		return
	}
	b := appendFirst([]byte(`{"close":{`), "connectionId", c.id)
	c.tap.send(append(b, "}}"...))
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

// send gives one message, a JSON value, to all who listen, and keeps it for those who come back.
func (t *Tap) send(data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	record := appendRecord(nil, recordID(t.began, t.last), "", data)
	t.recent = append(t.recent, record)
	t.size += len(record)
	drop := 0
	for len(t.recent)-drop > replayMessages || t.size > replayBytes {
		t.size -= len(t.recent[drop])
		t.recent[drop] = nil
		drop++
	}
	t.recent = t.recent[drop:]
	t.hub.Send(topicTap, &hub.Message{SSE: record})
}

// listen gives a stream what is sent from now on, and before it what it has missed since lastID, if that says something.
func (t *Tap) listen(p hub.StreamPeer, lastID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if missed := t.missedLocked(lastID); len(missed) > 0 {
		p.Send(bytes.Join(missed, nil))
	}
	t.hub.Join(p.Member(), topicTap)
}

// recordID is what a stream sends back as Last-Event-ID.
func recordID(began int64, number uint64) string {
	return strconv.FormatInt(began, 36) + "-" + strconv.FormatUint(number, 10)
}

// missedLocked returns the kept records after the one with this id. An id of an earlier process makes all of them new to
// the client; one that was never given out gets nothing.
//
// Rule: [WHATWG HTML, Last-Event-ID].
//
// [WHATWG HTML, Last-Event-ID]: https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header
func (t *Tap) missedLocked(lastID string) [][]byte {
	run, number, _ := strings.Cut(lastID, "-")
	began, err := strconv.ParseInt(run, 36, 64)
	if err != nil {
		return nil
	}
	seen, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return nil
	}
	switch {
	case began < t.began:
		return t.recent
	case began > t.began || seen > t.last:
		return nil
	}
	missed := min(t.last-seen, uint64(len(t.recent)))
	return t.recent[uint64(len(t.recent))-missed:]
}
