package hub

import "slices"

// Send queues msg for every member of a room but the ones in except, on every node of the cluster, and returns for
// how many on this one, or with Ordered how many it will be about. It never blocks: what a member does with a message it cannot take is its sink's affair.
// Messages of one sender reach each member in the order in which they were sent.
func (h *Hub) Send(r Room, msg *Message, except ...*Member) int {
	h.Begin()
	defer h.End()
	if h.Ordered {
		h.Bus.SendSelection(Selection{Rooms: []Room{r}, ExceptMembers: except}, msg, nil)
		return max(0, h.Count(r)-len(except))
	}
	delivered := h.SendHere(r, msg, except...)
	if h.Bus != nil {
		h.Bus.Send(r, msg)
	}
	return delivered
}

// SendCounted is Send, and calls counted once with the number of members on all nodes for which the message was
// queued. complete is false where a node did not tell. It is called before SendCounted returns where no other node is
// asked, and on another goroutine otherwise; it must not block.
func (h *Hub) SendCounted(r Room, msg *Message, counted func(delivered int, complete bool)) {
	h.Begin()
	defer h.End()
	here := 0
	if !h.Ordered {
		here = h.SendHere(r, msg)
	}
	if h.Bus == nil {
		counted(here, true)
		return
	}
	h.Bus.SendCounted(r, msg, func(elsewhere int, complete bool) { counted(here+elsewhere, complete) })
}

// SendSelection is Send for a selection, which may except members of this node. counted is that of [Hub.SendCounted]; nil: nobody
// counts.
func (h *Hub) SendSelection(sel Selection, msg *Message, counted func(delivered int, complete bool)) {
	h.Begin()
	defer h.End()
	here := 0
	if !h.Ordered {
		here = h.SendSelectionHere(sel, msg)
	}
	switch {
	case h.Bus == nil && counted != nil:
		counted(here, true)
	case h.Bus == nil:
	case counted == nil:
		h.Bus.SendSelection(sel, msg, nil)
	default:
		h.Bus.SendSelection(sel, msg, func(elsewhere int, complete bool) { counted(here+elsewhere, complete) })
	}
}

// Begin and End are around what sends a message to the members here and to the other nodes by itself. They are not nested, and
// what is between them waits for nothing.
func (h *Hub) Begin() {
	if h.Stepwise {
		h.sending.RLock()
	}
}

// End ends what Begin began.
func (h *Hub) End() {
	if h.Stepwise {
		h.sending.RUnlock()
	}
}

// Between calls f between two messages that are sent here: each is either with the members here and on its way to the other
// nodes, or with nobody. f must not send through the hub, nor wait.
func (h *Hub) Between(f func()) {
	h.sending.Lock()
	defer h.sending.Unlock()
	f()
}

// SendForeign queues msg for the members that servers of other kinds have in the same cluster, such as Node's. A
// topic, which they do not know, stands for everybody in the namespace of msg. counted, which may be nil, is that of
// [Hub.SendCounted].
func (h *Hub) SendForeign(r Room, msg *Message, counted func(delivered int, complete bool)) {
	if h.Bus == nil {
		if counted != nil {
			counted(0, true)
		}
		return
	}
	foreign := &Message{Namespace: msg.Namespace, Event: msg.Event, RawEvent: msg.RawEvent, Args: msg.Args,
		Attachments: msg.Attachments, Volatile: msg.Volatile, Foreign: true}
	sel := Selection{Rooms: []Room{r}}
	if r.Kind == KindTopic {
		sel.Rooms = nil
	}
	h.Bus.SendSelection(sel, foreign, counted)
}

// SendHere is Send for the members on this node alone.
func (h *Hub) SendHere(r Room, msg *Message, except ...*Member) int {
	rm := h.find(r)
	if rm == nil {
		return 0
	}
	if msg.to.Load() == nil {
		msg.to.Store(&rm.address)
	}
	rm.mu.RLock()
	defer rm.mu.RUnlock()
	delivered := 0
	for i := range rm.members {
		m := rm.members[i].member
		if len(except) > 0 && slices.Contains(except, m) {
			continue
		}
		if m.sink.Deliver(msg) {
			delivered++
		}
	}
	return delivered
}

// Selection names members by rooms: the union of Rooms, each member once, without those who are in a room of Except or
// stand in ExceptMembers. Where Rooms is empty, it is everybody in the namespace of the message.
type Selection struct {
	Rooms         []Room
	Except        []Room
	ExceptMembers []*Member
}

func (sel *Selection) rooms(namespace string) []Room {
	if len(sel.Rooms) == 0 {
		return []Room{EverybodyRoom(namespace)}
	}
	return sel.Rooms
}

// Select returns the members on this node that a selection names in a namespace.
func (h *Hub) Select(namespace string, sel Selection) []*Member {
	rooms := sel.rooms(namespace)
	if len(rooms) == 1 && len(sel.Except) == 0 && len(sel.ExceptMembers) == 0 {
		return h.Members(rooms[0])
	}
	seen := make(map[*Member]struct{})
	for _, m := range sel.ExceptMembers {
		seen[m] = struct{}{}
	}
	for _, r := range sel.Except {
		for _, m := range h.Members(r) {
			seen[m] = struct{}{}
		}
	}
	var lists [][]*Member
	for _, r := range rooms {
		if list := h.Members(r); len(list) > 0 {
			lists = append(lists, list)
		}
	}
	var members []*Member
	for _, list := range lists {
		for _, m := range list {
			if _, ok := seen[m]; ok {
				continue
			}
			if len(lists) > 1 { // else nobody comes twice
				seen[m] = struct{}{}
			}
			members = append(members, m)
		}
	}
	return members
}

// SendSelectionHere queues msg once for every member on this node that a selection names, and returns for how many.
// Rooms without members cost next to nothing: a selection of which one room has members, and that excepts few, costs
// about as much as [Hub.SendHere].
func (h *Hub) SendSelectionHere(sel Selection, msg *Message) int {
	room, several := h.occupied(sel.rooms(msg.Namespace))
	if room == nil {
		return 0
	}
	if !several {
		if except, few := h.fewExcepted(sel); few {
			return h.SendHere(*room, msg, except...)
		}
	}
	delivered := 0
	for _, m := range h.Select(msg.Namespace, sel) {
		if m.sink.Deliver(msg) {
			delivered++
		}
	}
	return delivered
}

// occupied returns the first room with somebody in it, nil where there is none, and whether there are several.
func (h *Hub) occupied(rooms []Room) (first *Room, several bool) {
	if len(rooms) == 1 {
		return &rooms[0], false // who sends to it will see
	}
	for i := range rooms {
		if h.Count(rooms[i]) == 0 {
			continue
		}
		if first != nil {
			return first, true
		}
		first = &rooms[i]
	}
	return first, false
}

// maxFewExcepted is up to how many exceptions looking through a list is cheaper than making a map.
const maxFewExcepted = 16

// fewExcepted returns the members that a selection excepts, where they are few: usually it is one, who sent the
// message.
func (h *Hub) fewExcepted(sel Selection) (except []*Member, few bool) {
	except = sel.ExceptMembers
	if len(sel.Except) > 0 {
		except = slices.Clip(except)
	}
	for _, r := range sel.Except {
		n := h.Count(r)
		if n == 0 {
			continue
		}
		if len(except)+n > maxFewExcepted {
			return nil, false
		}
		except = append(except, h.Members(r)...)
	}
	return except, len(except) <= maxFewExcepted
}
