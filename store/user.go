package store

import "context"

// User is one chat user: a socket that has logged in.
type User struct {
	// ID is the socket id; it is the key, so two sockets may have the same name.
	ID string `json:"id"`
	// Name is what the others see.
	Name string `json:"name"`
	// Room is the room the user is in; a user is in exactly one.
	Room string `json:"room"`
}

// UserStore keeps the users who are logged in now. All methods may be called from any goroutine. A change is seen by
// every call that starts after the change has returned, whoever makes it; list and change never mix.
//
// An error means that the store could not be asked or did not answer in time (ctx). Then nothing is known: a change may
// or may not have happened. That a user is missing, or there already, is not an error.
type UserStore interface {
	// FindUser returns the user with an id, and reports whether there is one.
	FindUser(ctx context.Context, id string) (User, bool, error)
	// SaveUser adds u as the last of its room and reports whether it did. Where a user with the same id exists, in
	// whichever room, it changes nothing and reports false.
	SaveUser(ctx context.Context, u User) (bool, error)
	// DeleteUser removes the user with an id and returns what was removed; it reports false where there is none.
	DeleteUser(ctx context.Context, id string) (User, bool, error)
	// GetRoomUsers returns the users of a room in the order in which they were saved. The slice is the caller's own;
	// it is empty for a room nobody is in.
	GetRoomUsers(ctx context.Context, room string) ([]User, error)
}
