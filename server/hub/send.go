package hub

import "slices"

// Send queues msg for every member of a room but the ones in except, and returns for how many. It never blocks: what a
// member does with a message it cannot take is its sink's affair. Messages of one sender reach each member in the
// order in which they were sent.
func (h *Hub) Send(r Room, msg *Message, except ...*Member) int {
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

// SendSelection queues msg once for every member a selection names, and returns for how many. One room without
// exceptions costs as much as [Hub.Send].
func (h *Hub) SendSelection(sel Selection, msg *Message) int {
	if len(sel.Rooms) == 1 && len(sel.Except) == 0 {
		return h.Send(sel.Rooms[0], msg, sel.ExceptMembers...)
	}
	delivered := 0
	for _, m := range h.Select(sel) {
		if m.sink.Deliver(msg) {
			delivered++
		}
	}
	return delivered
}
