package userlist

import (
	"context"

	"signalbox/server/hub"
	"signalbox/store"
)

// abandon is leave without a word: the server ends, and in a cluster another node sees to its users.
func (s *Session) abandon() {
	if s.list != nil {
		s.chat.lists.exit(s.list)
		s.list, s.user = nil, store.User{}
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
		c.counters.released.Add(1)
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
