package handlers

import (
	"context"

	"signalbox/server/hub"
	"signalbox/store"
)

// abandon is leave without a word: the server ends, and in a cluster another node sees to its users.
func (c *chat) abandon(s *chatSession) {
	if s.lobby != nil {
		c.lobbies.exit(s.lobby)
		s.lobby, s.user = nil, store.User{}
	}
}

// release tells rooms that users who are out of the store already have left.
func (c *chat) release(users []store.User) {
	var rooms []string
	seen := make(map[string]struct{})
	for _, u := range users {
		address := lobbyRoom(u.Room)
		c.counters.released.Add(1)
		c.gone(address, u.Name)
		if _, ok := seen[u.Room]; !ok {
			seen[u.Room] = struct{}{}
			rooms = append(rooms, u.Room)
		}
	}
	c.lobbies.each(c.lobbies.ctx, rooms, func(l *lobby) { l.changed(nil) })
}

// returned sends the lists of the rooms that have users here again. greet has the rooms told that those users have come.
func (c *chat) returned(ctx context.Context, greet bool) {
	c.lobbies.each(ctx, c.lobbies.names(), func(l *lobby) {
		if greet {
			c.greet(ctx, l.address)
		}
		l.changed(nil)
	})
}

// greet tells a room that its users on this node have come.
func (c *chat) greet(ctx context.Context, room hub.Room) {
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
