package store

import (
	"context"
	"sync"
)

// Memory is a [UserStore] in the memory of this process. Its users end with the process. It never returns an error.
//
// Finding, saving and deleting cost the same in a store of any size; listing a room costs what the room is long. The
// zero value is not ready; use [NewMemory].
type Memory struct {
	mu sync.RWMutex
	// mu guards the following.
	users map[string]*entry
	rooms map[string]*userList
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		users: make(map[string]*entry),
		rooms: make(map[string]*userList),
	}
}

// FindUser implements [UserStore].
func (s *Memory) FindUser(_ context.Context, id string) (User, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.users[id]
	if !ok {
		return User{}, false, nil
	}
	return e.user, true, nil
}

// SaveUser implements [UserStore].
func (s *Memory) SaveUser(_ context.Context, u User) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[u.ID]; ok {
		return false, nil
	}
	e := &entry{user: u}
	s.users[u.ID] = e
	list := s.rooms[u.Room]
	if list == nil {
		list = new(userList)
		s.rooms[u.Room] = list
	}
	list.append(e)
	return true, nil
}

// DeleteUser implements [UserStore].
func (s *Memory) DeleteUser(_ context.Context, id string) (User, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.users[id]
	if !ok {
		return User{}, false, nil
	}
	delete(s.users, id)
	list := s.rooms[e.user.Room]
	list.remove(e)
	if list.len == 0 {
		delete(s.rooms, e.user.Room)
	}
	return e.user, true, nil
}

// GetRoomUsers implements [UserStore].
func (s *Memory) GetRoomUsers(_ context.Context, room string) ([]User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := s.rooms[room]
	if list == nil {
		return nil, nil
	}
	users := make([]User, 0, list.len)
	for e := list.first; e != nil; e = e.next {
		users = append(users, e.user)
	}
	return users, nil
}

// entry is one user, linked to its neighbours in the order of login.
type entry struct {
	user       User
	prev, next *entry
}

// userList is the users of one room. Links instead of a slice: anyone may leave at any time, and the order stays.
type userList struct {
	first, last *entry
	len         int
}

func (l *userList) append(e *entry) {
	e.prev = l.last
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.len++
}

func (l *userList) remove(e *entry) {
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	l.len--
}
