package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// storeTimeout is how long the store may take for one call.
const storeTimeout = 5 * time.Second

// roomUser is somebody in a room.
type roomUser struct {
	// Kind is the kind of the room, as [hub.Kind] writes it: lobby or room.
	Kind string `json:"kind"`
	// UserID is the user in the JSON type the client gave; nil in a chat room of "/", where people have a name only.
	UserID json.RawMessage `json:"userId,omitempty"`
	// ClientID is the socket id; in a chat room of "/" only.
	ClientID string `json:"clientId,omitempty"`
	Name     string `json:"name"`
	// Connections is how many connections of the user are in the room.
	Connections int `json:"connections"`
	// Verified tells that a token names the user.
	Verified bool `json:"verified"`
	// Away tells that all of them were cut, and may come back.
	Away bool `json:"away,omitempty"`
}

// roomUsers serves GET /api/rooms/<room>/users: who is in the chat room of this name on "/" and in the room of this name
// of /chat and /ws, which are two rooms. An empty room has no users; that is no fault.
func (a *API) roomUsers(ctx context.Context, name string, q query) (any, error) {
	if err := q.check("kind"); err != nil {
		return nil, err
	}
	both := []hub.Kind{hub.KindLobby, hub.KindRoom}
	kinds, err := q.kinds("kind", both, both...)
	if err != nil {
		return nil, err
	}
	users, nameless, complete := []roomUser{}, 0, true
	if slices.Contains(kinds, hub.KindLobby) {
		if users, complete, err = a.lobbyUsers(ctx, name); err != nil {
			return nil, err
		}
	}
	if slices.Contains(kinds, hub.KindRoom) {
		var more []app.RoomUser
		var all bool
		more, nameless, all = a.cfg.Presence.RoomUsers(ctx, name)
		complete = complete && all
		for _, u := range more {
			users = append(users, roomUser{
				Kind: hub.KindRoom.String(), UserID: u.UserID, Name: u.Name, Connections: u.Connections, Verified: u.Verified, Away: u.Away,
			})
		}
	}
	return struct {
		Room     string     `json:"room"`
		Users    []roomUser `json:"users"`
		Nameless int        `json:"nameless"`
		Partial  bool       `json:"partial,omitempty"`
	}{name, users, nameless, !complete}, nil
}

// lobbyUsers returns the users of a chat room of "/" in the order in which they came.
func (a *API) lobbyUsers(ctx context.Context, name string) (users []roomUser, complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	list, err := a.cfg.Lobbies.GetRoomUsers(ctx, name)
	if err != nil {
		return nil, false, fmt.Errorf("users of a chat room: %w", err)
	}
	away, complete := a.cfg.Presence.AwayIn(ctx, hub.Room{Kind: hub.KindLobby, Name: name})
	users = make([]roomUser, len(list))
	for i, u := range list {
		users[i] = roomUser{Kind: hub.KindLobby.String(), ClientID: u.ID, Name: u.Name, Connections: 1, Away: slices.Contains(away, u.ID)}
	}
	return users, complete, nil
}

// user serves GET /api/users/<id>: whether a user is online, and where.
func (a *API) user(ctx context.Context, id string, q query) (any, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	where, complete := a.cfg.Presence.Online(ctx, id)
	if where == nil {
		where = []app.Place{}
	}
	return struct {
		UserID  string      `json:"userId"`
		Online  bool        `json:"online"`
		Where   []app.Place `json:"where"`
		Partial bool        `json:"partial,omitempty"`
	}{id, len(where) > 0, where, !complete}, nil
}

// disconnect serves POST /api/users/<id>/disconnect. It takes the user's tickets as well; a token stays good until its end. A user
// who is not there is no fault.
func (a *API) disconnect(ctx context.Context, id string, body []byte) (any, error) {
	var closeConnection bool
	if err := decode(body, member{"close", &closeConnection, "true or false"}); err != nil {
		return nil, err
	}
	// First, so that nobody comes back by one.
	revoked := a.cfg.Tickets.Revoke(ctx, id)
	if revoked != nil {
		a.cfg.Log.Warn("tickets of a user who is disconnected are good still", "error", revoked)
	}
	n, complete := a.cfg.Presence.Disconnect(ctx, id, closeConnection)
	return struct {
		OK           bool `json:"ok"`
		Disconnected int  `json:"disconnected"`
		Partial      bool `json:"partial,omitempty"`
	}{true, n, !complete || revoked != nil}, nil
}
