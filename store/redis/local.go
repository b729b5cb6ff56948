package redis

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"signalbox/store"
	"signalbox/store/internal/list"
)

// localUsers is what a node knows of users without Redis: its own, and of the rooms they are in the list that was read last.
type localUsers struct {
	mu sync.Mutex
	// mu guards the following.
	users    map[string]*localUser
	rooms    map[string]*localRoom
	departed map[string]struct{} // ids of own users who have left and may be in Redis still
	count    uint64              // of all logins
	busy     map[string]chan struct{}
}

// localUser is a user of this node.
type localUser struct {
	store.User
	seq  int64  // its place in the order of login, or why there is none
	nth  uint64 // among the logins of this node
	item list.Item[*localUser]
}

// localRoom is a room that a user of this node is in.
type localRoom struct {
	users list.List[*localUser] // those of this node, in the order in which they logged in
	last  []string              // members of the key rooms as they were read last, without the room
	gone  map[string]struct{}   // ids of own users who have left since
}

func newLocalUsers() *localUsers {
	return &localUsers{
		users:    make(map[string]*localUser),
		rooms:    make(map[string]*localRoom),
		departed: make(map[string]struct{}),
		busy:     make(map[string]chan struct{}),
	}
}

// hold waits until nobody else changes the users with these ids, and keeps others from it until release is called. Only one
// caller at a time may hold more than one.
func (s *localUsers) hold(ctx context.Context, ids ...string) (release func(), err error) {
	done := make(chan struct{})
	held := 0
	release = func() {
		s.mu.Lock()
		for _, id := range ids[:held] {
			delete(s.busy, id)
		}
		s.mu.Unlock()
		close(done)
	}
	for _, id := range ids {
		for {
			s.mu.Lock()
			other, busy := s.busy[id]
			if !busy {
				s.busy[id] = done
				held++
			}
			s.mu.Unlock()
			if !busy {
				break
			}
			select {
			case <-other:
			case <-ctx.Done():
				release()
				return nil, ctx.Err()
			}
		}
	}
	return release, nil
}

// find returns a user of this node.
func (s *localUsers) find(id string) (u store.User, seq int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.users[id]
	if !ok {
		return store.User{}, seqNone, false
	}
	return o.User, o.seq, true
}

// put makes u a user of this node, in place of what was known of its id.
func (s *localUsers) put(u store.User, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(u.ID)
	delete(s.departed, u.ID)
	s.count++
	o := &localUser{User: u, seq: seq, nth: s.count}
	o.item.Value = o
	s.users[u.ID] = o
	room := s.rooms[u.Room]
	if room == nil {
		room = new(localRoom)
		s.rooms[u.Room] = room
	}
	room.users.Push(&o.item)
}

// setSeq notes the place that Redis has given a user, should it still be there.
func (s *localUsers) setSeq(id string, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.users[id]; o != nil {
		o.seq = seq
	}
}

// remove takes a user of this node out. departed: Redis may have it still, where it ever had.
func (s *localUsers) remove(id string, departed bool) (store.User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.removeLocked(id)
	if o == nil {
		return store.User{}, false
	}
	if departed && o.seq != seqNone {
		s.departed[id] = struct{}{}
	}
	return o.User, true
}

func (s *localUsers) removeLocked(id string) *localUser {
	o := s.users[id]
	if o == nil {
		return nil
	}
	delete(s.users, id)
	room := s.rooms[o.Room]
	room.users.Remove(&o.item)
	if room.users.Len() == 0 {
		delete(s.rooms, o.Room) // and the list that was read last: nobody here is to be shown it
	} else if len(room.last) > 0 {
		if room.gone == nil {
			room.gone = make(map[string]struct{})
		}
		room.gone[id] = struct{}{}
	}
	return o
}

// isDeparted reports whether a user has left while Redis was away.
func (s *localUsers) isDeparted(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.departed[id]
	return ok
}

// clearDeparted forgets who has left: Redis knows. It does nothing unless still agrees, which is asked under the lock.
func (s *localUsers) clearDeparted(still func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if still() {
		clear(s.departed)
	}
}

// listed returns the users of a room as Redis has just told them, and keeps them for when it cannot be asked. behind: Redis
// does not know yet what has happened here; that is put right in what is returned.
func (s *localUsers) listed(name string, members []string, behind bool) []store.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.rooms[name]
	if room != nil {
		room.last = members
		clear(room.gone)
	}
	if !behind {
		room = nil
	}
	return s.usersOfLocked(name, members, nil, room)
}

// list returns the users of a room as far as they are known without Redis: the list that was read last, changed by what has
// happened on this node since. It is empty for a room that nobody of this node is in.
func (s *localUsers) list(name string) []store.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.rooms[name]
	if room == nil {
		return nil
	}
	return s.usersOfLocked(name, room.last, room.gone, room)
}

// usersOfLocked reads members, without those in gone and the departed, and adds the users of this node that are not among
// them; own may be nil.
func (s *localUsers) usersOfLocked(name string, members []string, gone map[string]struct{}, own *localRoom) []store.User {
	n := len(members)
	var there map[string]struct{}
	if own != nil {
		n += own.users.Len()
		there = make(map[string]struct{}, len(members))
	}
	users := make([]store.User, 0, n)
	for _, member := range members {
		u, ok := placeOf(name, member)
		if !ok {
			continue // not written by this package
		}
		if _, is := gone[u.ID]; is {
			continue
		}
		if _, is := s.departed[u.ID]; is {
			continue
		}
		if own != nil {
			there[u.ID] = struct{}{}
		}
		users = append(users, u)
	}
	if own == nil {
		return users
	}
	for o := range own.users.All() {
		if _, is := there[o.ID]; !is {
			users = append(users, o.User)
		}
	}
	return users
}

// restorable is a user of this node that Redis is to have.
type restorable struct {
	store.User
	seq int64
}

// missing returns the users of this node that are not in has, in the order in which they are to be written: by their place
// in the list, those without one last, as they came.
func (s *localUsers) missing(has map[string]struct{}) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	type entry struct {
		id  string
		seq int64
		nth uint64
	}
	var found []entry
	for id, o := range s.users {
		if _, ok := has[id]; !ok || o.seq <= 0 {
			found = append(found, entry{id: id, seq: o.seq, nth: o.nth})
		}
	}
	slices.SortFunc(found, func(a, b entry) int {
		switch {
		case a.seq > 0 && b.seq > 0:
			return cmp.Compare(a.seq, b.seq)
		case a.seq > 0:
			return -1
		case b.seq > 0:
			return 1
		}
		return cmp.Compare(a.nth, b.nth)
	})
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.id
	}
	return ids
}

// restorables returns what there is to write of these ids: those that are users of this node still.
func (s *localUsers) restorables(ids []string) []restorable {
	s.mu.Lock()
	defer s.mu.Unlock()
	users := make([]restorable, 0, len(ids))
	for _, id := range ids {
		if o := s.users[id]; o != nil {
			users = append(users, restorable{User: o.User, seq: o.seq})
		}
	}
	return users
}
