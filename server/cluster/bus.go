package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/store/redis/link"
)

var _ hub.Bus = (*Cluster)(nil)

// Want implements [hub.Bus].
func (c *Cluster) Want(r hub.Room) {
	c.interest.want(r)
	if c.sharded {
		c.rooms.want(r)
	}
}

// Unwant implements [hub.Bus].
func (c *Cluster) Unwant(r hub.Room) {
	c.interest.unwant(r)
	if c.sharded {
		c.rooms.unwant(r)
	}
}

// Send implements [hub.Bus].
func (c *Cluster) Send(r hub.Room, msg *hub.Message) {
	if s, slot := c.way(r, msg); s != nil {
		c.send(s, s.judge(slot, msg.Foreign), single(r), msg, "")
	}
}

// way returns the namespace over which a message to a room goes, nil where it has none; and the room's slot.
func (c *Cluster) way(r hub.Room, msg *hub.Message) (*space, int) {
	namespace, _ := wireName(r)
	if msg.Event == "" && msg.RawEvent == nil {
		namespace = "" // no Socket.IO client gets it
	}
	return c.spaceFor(namespace), int(slotOf(r))
}

// single is a selection of one room.
func single(r hub.Room) hub.Selection { return hub.Selection{Rooms: []hub.Room{r}} }

// send publishes a message as the verdict says. It reports whether it was, or may be, taken to others.
func (c *Cluster) send(s *space, v verdict, sel hub.Selection, msg *hub.Message, count string) bool {
	if v == keep {
		c.stats.kept.Add(1)
		return true
	}
	if !c.link.Up() {
		c.stats.lost.Add(1)
		return false
	}
	channel, payload, err := c.encode(s, sel, msg, count)
	if err != nil {
		c.unwritable(s, err)
		return false
	}
	return c.dispatch(s, v, msg.Foreign, channel, payload)
}

func (c *Cluster) dispatch(s *space, v verdict, foreign bool, channel string, payload []byte) bool {
	sharded := c.sharded && s.name != ""
	var queued bool
	switch {
	case v == enquire:
		g := s.gate
		if foreign {
			g = s.hermetic
		}
		queued = c.link.PublishGated(g, sharded, channel, payload, c.tallied)
	case sharded:
		queued = c.link.SPublish(channel, payload)
	default:
		queued = c.link.Publish(channel, payload)
	}
	switch {
	case !queued:
		c.stats.lost.Add(1)
	case v == publish:
		c.stats.published.Add(1)
	}
	return queued
}

// tally counts what became of a message that was published if somebody turned out to be there.
func (c *Cluster) tally(_ any, err error) {
	switch {
	case err == nil:
		c.stats.published.Add(1)
	case errors.Is(err, link.ErrNotWanted):
		c.stats.kept.Add(1)
	default:
		c.stats.lost.Add(1)
	}
}

// unwritable notes a message that has no form on the wire.
func (c *Cluster) unwritable(s *space, err error) {
	if c.stats.unwritable.Add(1) == 1 {
		c.log.Warn("a message cannot be written for other servers; it is logged once", "namespace", s.name, "error", err)
	}
}

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
	if c.sharded && s.name != "" {
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
	o.b.Flags.Volatile = msg.Volatile
	var kinds []byte
	o.b.Rooms, kinds = appendNames(o.rooms[:0], o.kinds[:0], sel.Rooms)
	o.ext.RoomKinds = kindsText(kinds)
	if len(sel.Except) > 0 || len(sel.ExceptSockets) > 0 {
		o.b.Except, kinds = appendNames(nil, nil, sel.Except)
		for _, sid := range sel.ExceptSockets {
			o.b.Except, kinds = append(o.b.Except, sid), append(kinds, 's')
		}
		o.ext.ExceptKinds = string(kinds)
	}
	args := o.args[:0]
	switch {
	case msg.RawEvent != nil:
		args = append(args, msg.RawEvent)
	case msg.Event != "":
		o.name = appendJSONText(o.name[:0], msg.Event)
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

// kindsText returns the letters as a string, without making one for the usual single letter.
func kindsText(kinds []byte) string {
	if len(kinds) == 1 {
		return letterTexts[kinds[0] : kinds[0]+1]
	}
	return string(kinds)
}

// letterTexts holds each ASCII letter at its own place.
var letterTexts = func() string {
	b := make([]byte, 128)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()

// channelFor returns the channel of a broadcast: in the classic mode that of its room where it names exactly one; in the
// sharded mode too, unless it may be for a socket, whose rooms nobody subscribes to, or is counted: nodes that are thought to
// have somebody in the room have to tell that they do not. Those who were just asked to join do not listen there yet.
func (c *Cluster) channelFor(s *space, sel hub.Selection, b *format.Broadcast) string {
	if len(b.Rooms) != 1 || b.RequestID != "" || s.name == "" {
		return s.channels.base
	}
	room := b.Rooms[0]
	if c.sharded && (isSocketID(room) || b.Ext.CountID != "" || strings.ContainsAny(b.Ext.RoomKinds, "sb") ||
		c.isAssumed(int(slotOf(sel.Rooms[0])))) {
		return s.channels.base
	}
	return s.channels.base + room + "#"
}

// SendCounted implements [hub.Bus].
func (c *Cluster) SendCounted(r hub.Room, msg *hub.Message, counted func(delivered int, complete bool)) {
	s, slot := c.way(r, msg)
	if s == nil {
		counted(0, true)
		return
	}
	c.sendCounted(s, s.judge(slot, msg.Foreign), []uint16{uint16(slot)}, single(r), msg, counted)
}

// SendSelection implements [hub.Bus].
func (c *Cluster) SendSelection(sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	s := c.spaceFor(msg.Namespace)
	if s == nil {
		if counted != nil {
			counted(0, true)
		}
		return
	}
	v, of := s.judgeAll(sel.Rooms, msg.Foreign)
	if counted == nil {
		c.send(s, v, sel, msg, "")
		return
	}
	c.sendCounted(s, v, of, sel, msg, counted)
}

// judgeAll is judge for several rooms; none of them is everybody. It returns the slots to look at; nil for all, where it is
// not to be kept.
func (s *space) judgeAll(rooms []hub.Room, foreign bool) (verdict, []uint16) {
	var of []uint16
	v := keep
	for _, r := range rooms {
		if r.Kind == hub.KindSocket {
			if _, id := wireName(r); !isSocketID(id) {
				continue
			}
			return s.judge(-1, foreign), nil // sockets are in no slot
		}
		slot := slotOf(r)
		of = append(of, slot)
		if one := s.judge(int(slot), foreign); one == publish || v == keep {
			v = one
		}
	}
	if len(rooms) == 0 {
		v = s.judge(-1, foreign)
	}
	return v, of
}

func (c *Cluster) sendCounted(s *space, v verdict, of []uint16, sel hub.Selection, msg *hub.Message, tell func(delivered int, complete bool)) {
	counted := func(delivered int, complete bool) {
		defer c.recovered("a count")
		tell(delivered, complete)
	}
	if !c.link.Up() {
		c.stats.lost.Add(1)
		counted(0, false)
		return
	}
	switch v {
	case keep:
		c.stats.kept.Add(1)
		counted(0, true)
		return
	case enquire:
		// Whoever waits for the number can wait for the question as well.
		c.inquire(s, of, sel, msg, counted)
		return
	}
	nodes, all := c.members.interested(of)
	for _, slot := range of {
		all = all && !s.cluster.isAssumed(int(slot)) // they are told with the next change who is there
	}
	if c.unmet.Load() > 0 {
		all = false // they are there, and cannot be waited for by name
	}
	foreign := s.foreign.Load() > 0 && s.name != ""
	if len(nodes) == 0 && !foreign {
		counted(0, c.send(s, v, sel, msg, "") && all)
		return
	}
	id := c.counts.add(nodes, foreign, all, counted)
	count := ""
	if len(nodes) > 0 {
		count = strconv.FormatUint(id, 16)
	}
	if !c.send(s, v, sel, msg, count) {
		c.counts.fail(id)
		return
	}
	if foreign {
		c.countForeign(s, sel, id)
	}
}

// inquire is sendCounted where it is not known whether anybody else is there: that is asked first.
func (c *Cluster) inquire(s *space, of []uint16, sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	channel, payload, err := c.encode(s, sel, msg, "")
	if err != nil {
		c.unwritable(s, err)
		counted(0, false)
		return
	}
	sel = hub.Selection{Rooms: slices.Clone(sel.Rooms), Except: slices.Clone(sel.Except), ExceptSockets: slices.Clone(sel.ExceptSockets)}
	gate := s.gate
	if msg.Foreign {
		gate = s.hermetic
	}
	done := func(_ any, err error) {
		c.tally(nil, err)
		switch {
		case errors.Is(err, link.ErrNotWanted):
			counted(0, true)
		case err != nil || s.foreign.Load() == 0:
			counted(0, false) // lost, or taken by nodes that have not said who they are
		default:
			c.countForeign(s, sel, c.counts.add(nil, true, c.unmet.Load() == 0, counted))
		}
	}
	verb := "PUBLISH"
	if c.sharded && s.name != "" {
		verb = "SPUBLISH"
	}
	if !c.link.Enqueue(link.Command{Args: []any{verb, channel, payload}, Gate: gate, Done: done}) {
		c.stats.lost.Add(1)
		counted(0, false)
	}
}

// appendJSONText appends an event's name as JSON, as JavaScript would write it.
func appendJSONText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			var quoted bytes.Buffer
			e := json.NewEncoder(&quoted)
			e.SetEscapeHTML(false)
			_ = e.Encode(text) // any text can be written
			return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte{'\n'})...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
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
