package hub

// Watcher hears where members go that [Hub.Show] has shown to it, each in the order in which it happens. It is called with
// locks held, so it must not block, nor call the hub.
type Watcher interface {
	// Shown is called once, with the rooms that the member is in.
	Shown(m *Member, rooms []Room)
	// Joined and Left are called with the other rooms that the member is in.
	Joined(m *Member, r Room, others []Room)
	Left(m *Member, r Room, others []Room)
	// Gone is the last that is heard of the member. It was in these rooms.
	Gone(m *Member, rooms []Room)
}

// Show shows a member to the Watcher, unless it was removed already.
func (h *Hub) Show(m *Member) {
	if h.Watcher == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed || m.shown {
		return
	}
	m.shown = true
	h.Watcher.Shown(m, m.roomsLocked())
}
