package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"signalbox/config"
	"signalbox/handlers"
	"signalbox/server"
	"signalbox/server/api"
	"signalbox/server/hub"
	"signalbox/store"
)

// withAPIKey returns cfg with a key made up for this run, and whether it was: where given, the settings without what was
// made up, are those of a server that is tried out. Elsewhere the API stays off.
func withAPIKey(cfg, given config.Config) (config.Config, bool) {
	if !given.TryOut(nil) {
		return cfg, false
	}
	cfg.APIKey = config.Secret(api.NewKey())
	return cfg, true
}

// apiKeyText prints the key that was made up, in a command that works when pasted.
func apiKeyText(cfg config.Config, addr net.Addr) string {
	return fmt.Sprintf(`
API_KEY is not set: this run made one up, for what backends may do. It is good until the server ends:
  curl %s/api/emit -H 'Authorization: Bearer %s' \
    -d '{"users":[1],"event":"hello","args":[{"text":"from a backend"}]}'
`, localURL(addr), string(cfg.APIKey))
}

// apiParts returns what the API knows of the handlers.
func apiParts(d *handlers.Doors, users store.UserStore) *server.APIParts {
	return &server.APIParts{Publisher: apiPublisher{d.Publisher}, Rooms: apiRooms{d}, Presence: apiPresence{d.Presence}, Lobbies: users}
}

// apiRooms is the list of rooms in the words of the API.
type apiRooms struct{ doors *handlers.Doors }

// List implements [api.Rooms].
func (r apiRooms) List(ctx context.Context, kinds []hub.Kind, prefix string) ([]api.RoomCount, bool) {
	list, complete := r.doors.ListRooms(ctx, kinds, prefix)
	rooms := make([]api.RoomCount, len(list))
	for i, room := range list {
		rooms[i] = api.RoomCount(room)
	}
	return rooms, complete
}

// apiPublisher is a publisher with the errors of the API.
type apiPublisher struct{ publisher *handlers.Publisher }

// Publish implements [api.Publisher].
func (p apiPublisher) Publish(ctx context.Context, channel string, message []byte) (int, bool, error) {
	delivered, complete, err := p.publisher.Publish(ctx, channel, message)
	switch {
	case errors.Is(err, handlers.ErrChannel):
		return 0, false, api.ErrChannel
	case errors.Is(err, handlers.ErrType), errors.Is(err, handlers.ErrPayload):
		return 0, false, fmt.Errorf("%w: %w", api.ErrMessage, err)
	}
	return delivered, complete, err
}

// apiPresence is a presence in the words of the API.
type apiPresence struct{ presence *handlers.Presence }

// Online implements [api.Presence].
func (p apiPresence) Online(ctx context.Context, userID string) ([]api.Place, bool) {
	online, complete := p.presence.Online(ctx, userID)
	places := make([]api.Place, len(online))
	for i, at := range online {
		places[i] = api.Place(at)
	}
	return places, complete
}

// RoomUsers implements [api.Presence].
func (p apiPresence) RoomUsers(ctx context.Context, room string) (users []api.RoomUser, nameless int, complete bool) {
	list, nameless, complete := p.presence.RoomUsers(ctx, room)
	users = make([]api.RoomUser, len(list))
	for i, u := range list {
		users[i] = api.RoomUser{
			Kind: hub.KindRoom.String(), UserID: u.UserID, Name: u.Name, Connections: u.Connections, Verified: u.Verified,
		}
	}
	return users, nameless, complete
}

// Disconnect implements [api.Presence].
func (p apiPresence) Disconnect(ctx context.Context, userID string, closeConnection bool) (int, bool) {
	return p.presence.Disconnect(ctx, userID, closeConnection)
}
