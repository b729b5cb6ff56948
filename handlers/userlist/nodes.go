package userlist

import (
	"context"
	"encoding/json"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// abandon is leave without a word: the server ends, and in a cluster another node sees to its users, or one has the client
// already.
func (s *Session) abandon(reason string) {
	if m, ok := s.chat.users.(mover); ok && s.list != nil && reason == app.ReasonMoved {
		m.Forget(s.user.ID)
	}
	if l := s.list; l != nil {
		if reason == app.ReasonMoved {
			l.back(s.user.ID)
		}
		s.chat.lists.exit(l)
		s.list, s.user = nil, store.User{}
	}
}

// Pack implements [app.Packer].
func (s *Session) Pack() json.RawMessage {
	if s.list == nil {
		return nil
	}
	b, _ := json.Marshal(s.user) // of texts
	return b
}

// Resume goes on with a client that was logged in at another node, in its room already.
func (s *Session) Resume(state json.RawMessage) error {
	if state == nil {
		return nil
	}
	var user store.User
	if err := json.Unmarshal(state, &user); err != nil {
		return err
	}
	m, ok := s.chat.users.(mover)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := m.MoveUser(ctx, user); err != nil {
		s.chat.storeFailed("chat user not moved", err)
		return err
	}
	s.user, s.list, s.moved = user, s.chat.lists.enter(user.Room), true
	if s.identity != nil && !s.identity.CanJoin(user.Room) {
		s.leave()
	}
	return nil
}

// Stayed implements [app.Stayer]: in the store the user may be the other node's.
func (s *Session) Stayed() {
	m, ok := s.chat.users.(mover)
	if !ok || s.list == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := m.MoveUser(ctx, s.user); err != nil {
		s.chat.storeFailed("chat user not taken back", err)
	}
}

// Landed implements [app.Lander]. Where the client comes from another node the list may have changed while it was on its way, and of
// that the old node told it, or this one, or neither.
func (s *Session) Landed() {
	switch {
	case s.list == nil:
	case s.moved:
		s.moved = false
		s.list.show(s.peer.Member())
	default:
		s.list.back(s.user.ID)
	}
}

// Release tells the rooms of users that they have left, on all nodes: their own has died. They are out of the store already.
// It takes its time, see [hub.Pace], and returns when this node's lists were read again, or ctx is over. It may be called from
// any goroutine, by one node of the cluster.
func (c *Chat) Release(ctx context.Context, users []store.User) {
	var pace hub.Pace
	var rooms []string
	seen := make(map[string]struct{})
	for _, u := range users {
		if pace.Step(ctx) != nil {
			return
		}
		address := roomAddress(u.Room)
		c.stats.Released.Add(1)
		c.gone(address, u.Name)
		if _, ok := seen[u.Room]; !ok {
			seen[u.Room] = struct{}{}
			rooms = append(rooms, u.Room)
		}
	}
	c.lists.each(ctx, rooms, func(l *list) { l.changed(nil) })
}

// Returned brings the lists of all rooms that have users here up to date, on all nodes. It is called when the other nodes, or
// the store, can be reached again, as what they were to be told meanwhile is lost, and when the store knows this node's users
// again, which it had forgotten. With declaredDead the others were told that the users here have left, so they are told that
// they are back. It returns when the lists were read, or ctx is over. It may be called from any goroutine.
func (c *Chat) Returned(ctx context.Context, declaredDead bool) {
	c.lists.each(ctx, c.lists.names(), func(l *list) {
		if declaredDead {
			c.greet(ctx, l.address)
		}
		l.changed(nil)
	})
}

// Repaired sends the lists of rooms anew, on all nodes: the store did not know what was true of them, and does now. It returns
// when they were read, or ctx is over. It may be called from any goroutine.
func (c *Chat) Repaired(ctx context.Context, rooms []string) {
	c.lists.each(ctx, rooms, func(l *list) { l.changed(nil) })
}

// greet tells a room that its users on this node have come.
func (c *Chat) greet(ctx context.Context, room hub.Room) {
	here := make(map[string]*hub.Member)
	for _, m := range c.hub.Members(room) {
		here[m.ID()] = m
	}
	if len(here) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	users, err := c.users.GetRoomUsers(ctx, room.Name)
	if err != nil {
		c.storeFailed("chat users not read", err)
		return
	}
	for _, u := range users {
		if m := here[u.ID]; m != nil {
			c.entered(room, u.Name, m)
		}
	}
}
