package store

import (
	"context"
	"slices"
	"sync"

	"signalbox/store/internal/list"
)

// Memory is a [UserStore] in the memory of this process. Its users end with the process. It never returns an error.
//
// Finding, saving and deleting cost the same in a store of any size; listing a room costs what the room is long. The
// zero value is not ready; use [NewMemory].
type Memory struct {
	mu sync.RWMutex
	// mu guards the following.
	users map[string]*list.Item[User]
	rooms map[string]*list.List[User] // in the order of login
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		users: make(map[string]*list.Item[User]),
		rooms: make(map[string]*list.List[User]),
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
	return e.Value, true, nil
}

// SaveUser implements [UserStore].
func (s *Memory) SaveUser(_ context.Context, u User) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[u.ID]; ok {
		return false, nil
	}
	e := &list.Item[User]{Value: u}
	s.users[u.ID] = e
	room := s.rooms[u.Room]
	if room == nil {
		room = new(list.List[User])
		s.rooms[u.Room] = room
	}
	room.Push(e)
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
	room := s.rooms[e.Value.Room]
	room.Remove(e)
	if room.Len() == 0 {
		delete(s.rooms, e.Value.Room)
	}
	return e.Value, true, nil
}

// GetRoomUsers implements [UserStore].
func (s *Memory) GetRoomUsers(_ context.Context, name string) ([]User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	room := s.rooms[name]
	if room == nil {
		return nil, nil
	}
	return slices.AppendSeq(make([]User, 0, room.Len()), room.All()), nil
}
