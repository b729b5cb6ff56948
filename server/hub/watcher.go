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

// Watch has w hear where members go, beside whoever does already. It is called before the hub is used.
func (h *Hub) Watch(w Watcher) {
	if h.Watcher != nil {
		w = both{h.Watcher, w}
	}
	h.Watcher = w
}

// both are two Watchers.
type both struct{ a, b Watcher }

func (w both) Shown(m *Member, rooms []Room) {
	w.a.Shown(m, rooms)
	w.b.Shown(m, rooms)
}

func (w both) Joined(m *Member, r Room, others []Room) {
	w.a.Joined(m, r, others)
	w.b.Joined(m, r, others)
}

func (w both) Left(m *Member, r Room, others []Room) {
	w.a.Left(m, r, others)
	w.b.Left(m, r, others)
}

func (w both) Gone(m *Member, rooms []Room) {
	w.a.Gone(m, rooms)
	w.b.Gone(m, rooms)
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
