package cluster

import (
	"bytes"
	"encoding/json"
	"sync"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// noEvent is the name on the wire of a message that is no event.
var noEvent = json.RawMessage(`""`)

// outgoing is what writing one message down needs and nobody keeps.
type outgoing struct {
	b     format.Broadcast
	ext   format.Ext
	args  [8]json.RawMessage
	rooms [4]string
	kinds [4]byte
	name  []byte
}

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

// encode writes a message to a selection down, and returns the channel it goes over.
func (c *Cluster) encode(s *space, sel hub.Selection, msg *hub.Message, count string) (string, []byte, error) {
	o := outgoings.Get().(*outgoing)
	defer func() {
		*o = outgoing{name: o.name[:0]}
		outgoings.Put(o)
	}()
	c.fill(o, s, sel, msg)
	if count != "" {
		o.ext.CountID, o.ext.Node = count, c.id
	}
	var payload []byte
	var err error
	if s.sharded {
		payload, err = format.AppendSharded(nil, &o.b)
	} else {
		payload, err = format.AppendClassic(nil, &o.b)
	}
	return c.channelFor(s, sel, &o.b), payload, err
}

// fill describes a message to a selection as the wire has it.
func (c *Cluster) fill(o *outgoing, s *space, sel hub.Selection, msg *hub.Message) {
	o.b = format.Broadcast{UID: c.uid, Namespace: msg.Namespace, Ext: &o.ext}
	if o.b.Namespace == "" {
		o.b.Namespace = rootNamespace // of a message without an event, which has none
	}
	o.b.Flags.Volatile, o.b.Flags.Plain = msg.Volatile, msg.Plain
	var kinds []byte
	o.b.Rooms, kinds = c.appendNames(o.rooms[:0], o.kinds[:0], sel.Rooms)
	o.ext.RoomKinds = string(kinds) // of one letter, as nearly always, it is no new one
	if len(sel.Except) > 0 {
		o.b.Except, kinds = c.appendNames(nil, nil, sel.Except)
		o.ext.ExceptKinds = string(kinds)
	}
	args := o.args[:0]
	switch {
	case msg.RawEvent != nil:
		args = append(args, msg.RawEvent)
	case msg.Event != "":
		o.name = rawjson.AppendString(o.name[:0], msg.Event)
		args = append(args, o.name)
	default:
		args = append(args, noEvent)
	}
	args = append(args, msg.Args...)
	o.b.Args, o.b.Attachments = args, msg.Attachments
	o.ext.Text, o.ext.MessageID, o.ext.Foreign = msg.Text, msg.ID, msg.Foreign
	if o.ext.DeriveSSE = derives(msg); !o.ext.DeriveSSE {
		o.ext.SSE = msg.SSE
	}
}

// channelFor returns the channel of a broadcast: that of its room where it names exactly one. In the sharded mode
// what may be for a socket goes over the channel of the namespace, as Node has it, and so does what is counted while
// there are Node servers: nobody knows how many of the subscribers of a room's channel are theirs. In the classic
// mode what is for a socket and counted does, as patterns are not counted. Nodes that were just asked to have sockets
// join the room do not listen on its own yet.
func (c *Cluster) channelFor(s *space, sel hub.Selection, b *format.Broadcast) string {
	if len(b.Rooms) != 1 || b.RequestID != "" || s.name == "" {
		return s.channels.base
	}
	room, counted := b.Rooms[0], b.Ext.CountID != ""
	switch {
	case c.sharded && (hub.IsSocketID(room) || counted && s.foreign.Load() > 0),
		!c.sharded && counted && len(room) == socketIDLength,
		c.joining.has(sel.Rooms[0]):
		return s.channels.base
	}
	return s.channels.base + room + "#"
}

// derives reports whether the record of a message for streams is what [deriveSSE] makes of its event.
func derives(msg *hub.Message) bool {
	if msg.SSE == nil || len(msg.Args) != 1 || msg.Event == "" {
		return false
	}
	rest, ok := bytes.CutPrefix(msg.SSE, eventField)
	if !ok || !bytes.HasPrefix(rest, []byte(msg.Event)) {
		return false
	}
	rest, ok = bytes.CutPrefix(rest[len(msg.Event):], dataField)
	return ok && len(rest) == len(msg.Args[0])+2 && bytes.HasPrefix(rest, msg.Args[0]) && bytes.HasSuffix(rest, recordEnd)
}

var (
	eventField = []byte("event: ")
	dataField  = []byte("\ndata: ")
	recordEnd  = []byte("\n\n")
)

// deriveSSE returns the record of an event with one argument for streams.
func deriveSSE(event string, data []byte) []byte {
	b := make([]byte, 0, len(event)+len(data)+20)
	b = append(append(b, eventField...), event...)
	b = append(append(b, dataField...), data...)
	return append(b, recordEnd...)
}
