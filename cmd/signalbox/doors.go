package main

import (
	"fmt"
	"log/slog"
	"time"

	"signalbox/config"
	"signalbox/handlers"
	"signalbox/server"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
	"signalbox/store/redis"
)

// tryOutTokenLife is how long the token that an unconfigured server prints is good.
const tryOutTokenLife = 24 * time.Hour

// doorParts is what stands behind the doors, and what has to be closed after them.
type doorParts struct {
	handlers *handlers.Doors
	server   server.Doors
	history  store.History
	close    func()
}

// buildDoors makes the handlers of all doors but "/". cfg has a way to verify tokens.
func buildDoors(cfg config.Config, h *hub.Hub, others *clusterParts, log *slog.Logger) (*doorParts, error) {
	verifier, err := auth.New(auth.Config{
		Secret: string(cfg.JWTSecret), JWKSURL: cfg.JWKSURL, Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience,
		RequireExpiry: cfg.JWTRequireExp, Leeway: cfg.JWTLeeway, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if auth.ShortSecret(string(cfg.JWTSecret)) {
		log.Warn("JWT_SECRET is short: make a longer one with `openssl rand -hex 32`", "goodBytes", auth.GoodSecretBytes)
	}
	history, err := openHistory(cfg, others, log)
	if err != nil {
		verifier.Close()
		return nil, err
	}
	options := handlers.DoorsOptions{
		Hub: h, History: history, Tickets: store.NewMemoryTickets(0, 0), Verifier: verifier,
		RequireAuth: cfg.RequireAuth, PingInterval: cfg.AuthPingInterval, Log: log,
	}
	if others != nil {
		options.Nodes, options.Wills, options.Channels = others.cluster, others.node, others.cluster
		options.Tickets = redis.NewTickets(others.link, cfg.RedisPrefix)
	}
	d := handlers.NewDoors(options)
	return &doorParts{
		handlers: d,
		server: server.Doors{
			Rooms: d.Rooms.Text(), Tap: d.Tap.Text(), Demo: d.Demo, Notification: d.Notification,
			Events: d.Events.All(), UserEvents: d.Events.User(), RoomEvents: d.Rooms.Watch(),
			Verifier: verifier, Tickets: options.Tickets,
		},
		history: history,
		close: func() {
			closeHistory(history, log)
			verifier.Close()
		},
	}, nil
}

// rootHandler returns the handler of "/" with the tokens that REQUIRE_AUTH asks for.
func (p *doorParts) rootHandler(cfg config.Config, root app.Handler) app.Handler {
	if !cfg.RequireAuth {
		return root
	}
	return p.handlers.Leased(root)
}

// rootOptions returns the options of "/".
func (p *doorParts) rootOptions(cfg config.Config, others *clusterParts) handlers.RootOptions {
	options := handlers.RootOptions{Nodes: others.nodes(), Clustered: others != nil}
	if cfg.RequireAuth {
		options.Authenticate = p.handlers.Authenticate
	}
	return options
}

// withSecret returns cfg with a secret made up for this run where nothing is configured to verify tokens with, and
// whether it was. Where tokens are required the configuration is refused before it comes to this.
func withSecret(cfg config.Config) (config.Config, bool) {
	if cfg.JWTSecret != "" || cfg.JWKSURL != "" {
		return cfg, false
	}
	cfg.JWTSecret = config.Secret(auth.NewRandomSecret())
	return cfg, true
}

// tryOutText prints a token for trying out, good for this run only.
func tryOutText(cfg config.Config) (string, error) {
	token, err := auth.Mint(string(cfg.JWTSecret), auth.Claims{
		UserID: "42", Name: "Try Out", Scope: "tap", Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience,
	}, tryOutTokenLife)
	if err != nil {
		return "", fmt.Errorf("token for trying out: %w", err)
	}
	return fmt.Sprintf(`
JWT_SECRET is not set: this run made one up. A token of user 42 for /chat, streams and tickets, good until the server ends:
  %s
`, token), nil
}

// describeDoors shows what the handlers of the doors have done on /metrics.
func describeDoors(m *server.Metrics, d *handlers.Doors) {
	counter := func(name, help string, value func(handlers.DoorStats) uint64) {
		m.Counter(name, help, func() float64 { return float64(value(d.Stats())) })
	}
	counter("signalbox_room_messages_total", "Messages that clients of /chat and /ws sent to rooms.", func(s handlers.DoorStats) uint64 { return s.RoomMessages })
	counter("signalbox_rooms_refused_total", "Events of /chat and messages of /ws that were answered with an error.", func(s handlers.DoorStats) uint64 { return s.RoomsRefused })
	counter("signalbox_texts_ignored_total", "Messages on plain websockets that were no JSON object, or of no known type.", func(s handlers.DoorStats) uint64 { return s.TextIgnored })
	counter("signalbox_tap_messages_total", "Frames of /tap that went on to streams.", func(s handlers.DoorStats) uint64 { return s.TapMessages })
	counter("signalbox_tap_dropped_total", "Frames of /tap that were dropped: no JSON, or without a connectionId.", func(s handlers.DoorStats) uint64 { return s.TapDropped })
	counter("signalbox_history_errors_total", "Calls of the history of rooms that failed.", func(s handlers.DoorStats) uint64 { return s.HistoryErrors })
	counter("signalbox_unauthorized_total", "Clients that were turned away, or cut, for a missing or bad token or ticket.", func(s handlers.DoorStats) uint64 { return s.Unauthorized })
	counter("signalbox_tokens_expired_total", "Connections that ended with their token.", func(s handlers.DoorStats) uint64 { return s.Expired })
	counter("signalbox_tokens_renewed_total", "Connections that went on with a newer token.", func(s handlers.DoorStats) uint64 { return s.Renewed })
}
