package api

import (
	"encoding/json"
	"strings"

	"signalbox/server/hub"
)

// maxNames bounds the users and rooms of one call together: each is looked up.
const maxNames = 10_000

// audience is who an event goes to, as the body of POST /api/emit says it.
type audience struct {
	namespace string
	users     *ids // nil: not given
	rooms     *ids
	except    except
}

// except is who does not get an event: {"users":[...],"rooms":[...],"sockets":[...]}, or a plain list, each name of which
// is taken for a user, a room and a socket id.
type except struct {
	users, rooms, sockets ids
	plain                 bool // it was a list
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *except) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		var all ids
		if err := json.Unmarshal(data, &all); err != nil {
			return err
		}
		*e = except{users: all, rooms: all, sockets: all, plain: true}
		return nil
	}
	return decode(data,
		member{"users", &e.users, "a list of users"},
		member{"rooms", &e.rooms, "a list of rooms"},
		member{"sockets", &e.sockets, "a list of socket ids"})
}

// check reports what is wrong with an audience.
func (a *audience) check() error {
	if !strings.HasPrefix(a.namespace, "/") || strings.ContainsAny(a.namespace, ",?") {
		return faultf(CodeInvalidRequest, "namespace must begin with a slash, like /chat")
	}
	if a.namespace == "/backend" {
		return faultf(CodeInvalidRequest, "the namespace /backend is for workers")
	}
	if user, _ := hub.KindsOf(a.namespace); user == 0 && (a.users != nil || len(a.except.users) > 0 && !a.except.plain) {
		return faultf(CodeInvalidRequest, "the namespace %s has no users; name rooms", clip(a.namespace))
	}
	n := len(a.except.users) + len(a.except.rooms) + len(a.except.sockets)
	for _, list := range []*ids{a.users, a.rooms} {
		if list != nil {
			n += len(*list)
		}
	}
	if n > maxNames {
		return faultf(CodeInvalidRequest, "%d names are too many; one call may have %d", n, maxNames)
	}
	return nil
}

// nobody reports whether users or rooms were given and are empty: the caller has nobody to send to, and does not mean
// everybody.
func (a *audience) nobody() bool {
	return (a.users != nil || a.rooms != nil) && (a.users == nil || len(*a.users) == 0) && (a.rooms == nil || len(*a.rooms) == 0)
}

// selection returns the audience as the hub names it. Without users and rooms it is everybody in the namespace.
func (a *audience) selection() hub.Selection {
	user, _ := hub.KindsOf(a.namespace)
	add := func(to []hub.Room, users, rooms ids) []hub.Room {
		for _, u := range users {
			if user != 0 {
				to = append(to, hub.Room{Kind: user, Name: u})
			}
		}
		for _, r := range rooms {
			to = append(to, hub.RoomNamed(a.namespace, r))
		}
		return to
	}
	var sel hub.Selection
	if a.users != nil {
		sel.Rooms = add(sel.Rooms, *a.users, nil)
	}
	if a.rooms != nil {
		sel.Rooms = add(sel.Rooms, nil, *a.rooms)
	}
	sel.Except = add(nil, a.except.users, a.except.rooms)
	for _, sid := range a.except.sockets {
		sel.Except = append(sel.Except, hub.SocketRoom(a.namespace, sid))
	}
	return sel
}
