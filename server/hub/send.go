package hub

import "slices"

// Send queues msg for every member of a room but the ones in except, on every node of the cluster, and returns for how many
// on this one. It never blocks: what a member does with a message it cannot take is its sink's affair. Messages of one
// sender reach each member in the order in which they were sent.
func (h *Hub) Send(r Room, msg *Message, except ...*Member) int {
	delivered := h.SendHere(r, msg, except...)
	if h.Bus != nil {
		h.Bus.Send(r, msg)
	}
	return delivered
}

// SendCounted is Send, and calls counted once with the number of members on all nodes for which the message was queued.
// complete is false where a node did not tell. It is called before SendCounted returns where no other node is asked, and
// on another goroutine otherwise; it must not block.
func (h *Hub) SendCounted(r Room, msg *Message, counted func(delivered int, complete bool)) {
	here := h.SendHere(r, msg)
	if h.Bus == nil {
		counted(here, true)
		return
	}
	h.Bus.SendCounted(r, msg, func(elsewhere int, complete bool) { counted(here+elsewhere, complete) })
}

// SendForeign queues msg for the members that servers of other kinds have in the same cluster, such as Node's. A topic, which
// they do not know, stands for everybody in the namespace of msg.
func (h *Hub) SendForeign(r Room, msg *Message) {
	if h.Bus == nil {
		return
	}
	foreign := &Message{Namespace: msg.Namespace, Event: msg.Event, RawEvent: msg.RawEvent, Args: msg.Args,
		Attachments: msg.Attachments, Volatile: msg.Volatile, Foreign: true}
	if r.Kind == KindTopic {
		h.Bus.SendSelection(Selection{}, foreign, nil)
		return
	}
	h.Bus.Send(r, foreign)
}

// SendHere is Send for the members on this node alone.
func (h *Hub) SendHere(r Room, msg *Message, except ...*Member) int {
	rm := h.find(r)
	if rm == nil {
		return 0
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
// stand in ExceptMembers.
type Selection struct {
	Rooms         []Room
	Except        []Room
	ExceptMembers []*Member
	// ExceptSockets are the ids of sockets, on whichever node, in the namespace of the message.
	ExceptSockets []string
}

// Select returns the members a selection names.
func (h *Hub) Select(sel Selection) []*Member {
	if len(sel.Rooms) == 1 && len(sel.Except) == 0 && len(sel.ExceptMembers) == 0 {
		return h.Members(sel.Rooms[0])
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
	var members []*Member
	for _, r := range sel.Rooms {
		for _, m := range h.Members(r) {
			if _, ok := seen[m]; !ok {
				seen[m] = struct{}{}
				members = append(members, m)
			}
		}
	}
	return members
}

// SendSelectionHere queues msg once for every member on this node that a selection names, and returns for how many. One room
// without exceptions costs as much as [Hub.SendHere]. Socket ids in the selection are not known to the hub.
func (h *Hub) SendSelectionHere(sel Selection, msg *Message) int {
	if len(sel.Rooms) == 1 && len(sel.Except) == 0 {
		return h.SendHere(sel.Rooms[0], msg, sel.ExceptMembers...)
	}
	delivered := 0
	for _, m := range h.Select(sel) {
		if m.sink.Deliver(msg) {
			delivered++
		}
	}
	return delivered
}
