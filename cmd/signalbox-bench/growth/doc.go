// Package growth measures how the cost of one server grows with what it holds: members of a room, clients, rooms.
package growth
