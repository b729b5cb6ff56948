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

// withAPIKey returns cfg with a key made up for this run, and whether it was: where there is none and the server is run to
// try it out. Elsewhere the API stays off.
func withAPIKey(cfg config.Config, tryOut bool) (config.Config, bool) {
	if cfg.APIKey != "" || !tryOut {
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
	return &server.APIParts{Publisher: apiPublisher{d.Publisher}, Presence: apiPresence{d.Presence}, Lobbies: users}
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
func (p apiPresence) Online(userID string) []api.Place {
	online, _ := p.presence.Online(context.Background(), userID)
	places := make([]api.Place, len(online))
	for i, at := range online {
		places[i] = api.Place(at)
	}
	return places
}

// RoomUsers implements [api.Presence].
func (p apiPresence) RoomUsers(room string) (users []api.RoomUser, nameless int) {
	list, nameless, _ := p.presence.RoomUsers(context.Background(), room)
	users = make([]api.RoomUser, len(list))
	for i, u := range list {
		users[i] = api.RoomUser{
			Kind: hub.KindRoom.String(), UserID: u.UserID, Name: u.Name, Connections: u.Connections, Verified: u.Verified,
		}
	}
	return users, nameless
}

// Disconnect implements [api.Presence].
func (p apiPresence) Disconnect(userID string, closeConnection bool) int {
	n, _ := p.presence.Disconnect(context.Background(), userID, closeConnection)
	return n
}
