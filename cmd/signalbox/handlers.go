package main

import (
	"context"
	"log/slog"

	"signalbox/config"
	"signalbox/handlers/broker"
	"signalbox/handlers/gate"
	"signalbox/handlers/presence"
	"signalbox/handlers/publish"
	"signalbox/handlers/rooms"
	"signalbox/handlers/tap"
	"signalbox/handlers/ticketed"
	"signalbox/handlers/userlist"
	"signalbox/handlers/workers"
	"signalbox/server"
	"signalbox/server/adminui"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// stores are what handlers remember things in.
type stores struct {
	users   store.UserStore
	history store.History
	tickets store.Tickets
	notices store.LeaveNotices // nil: there is nobody to read them
	signIns adminui.Shared     // nil: there is no other server
}

// handlerSet is what signalbox does with the events of its clients: one handler, or more, behind each door.
type handlerSet struct {
	gate         *gate.Gate
	broker       *broker.Broker
	chat         *userlist.Chat
	rooms        *rooms.Rooms
	tap          *tap.Tap
	demo         *ticketed.Demo
	notification *ticketed.Notification
	userStreams  publish.UserStreams
	publisher    *publish.Publisher
	presence     *presence.Presence
	logic        *appLogic      // nil: the application has none of its own
	admin        *adminui.Admin // nil: there is no namespace for the Admin UI
	log          *slog.Logger
}

// newHandlers makes all handlers over one hub, so what comes in at one door is seen at the others.
func newHandlers(cfg config.Config, h *hub.Hub, s stores, v gate.Verifier, o others, log *slog.Logger) *handlerSet {
	g := gate.New(v, cfg.RequireAuth, log)
	people := presence.New(h, o.nodes, o.run)
	chat := userlist.New(userlist.Options{Hub: h, Users: s.users, Nodes: o.nodes, Clustered: cfg.Clustered(), Log: log})
	tickets := ticketed.Options{
		Hub: h, Gate: g, Tickets: s.tickets, Presence: people, PingInterval: cfg.AuthPingInterval, Log: log,
	}
	return &handlerSet{
		gate:   g,
		chat:   chat,
		broker: broker.New(h, func(p app.Peer, hs app.Handshake) broker.Second { return chat.Open(p, hs) }, log),
		rooms: rooms.New(rooms.Options{
			Hub: h, History: s.history, Limits: historyLimits(cfg), Presence: people, Gate: g, Nodes: o.nodes, Notices: s.notices, Log: log,
		}),
		tap:          tap.New(tap.Options{Hub: h, Gate: g, Nodes: o.nodes, Notices: s.notices, Log: log}),
		demo:         ticketed.NewDemo(tickets),
		notification: ticketed.NewNotification(tickets),
		userStreams:  publish.UserStreams{Hub: h, Gate: g, Presence: people},
		publisher:    publish.New(h, o.nodes, o.channels),
		presence:     people,
		admin:        newAdminUI(cfg, h, s.signIns, o, log),
		log:          log,
	}
}

// namespaces are the handlers of Socket.IO clients.
func (s *handlerSet) namespaces() map[string]app.Handler {
	handlers := s.logic.before(map[string]app.Handler{"/": s.broker, "/chat": s.rooms.Chat()})
	if s.admin != nil {
		handlers[adminui.Namespace] = s.admin
	}
	return handlers
}

// newAdminUI returns what the page of the Admin UI connects to; nil: there is no such namespace.
func newAdminUI(cfg config.Config, h *hub.Hub, shared adminui.Shared, o others, log *slog.Logger) *adminui.Admin {
	if cfg.AdminUIUser == "" {
		return nil
	}
	return adminui.New(adminui.Options{
		User: cfg.AdminUIUser, Hash: string(cfg.AdminUIPassword), ReadOnly: cfg.AdminUIReadonly,
		Development: cfg.AdminUIMode == "development", Hub: h, Nodes: o.nodes, Shared: shared,
		Closed: []string{workers.Namespace}, ListBytes: int(cfg.MaxOutboxBytes / 4 * 3), Log: log,
	})
}

// doors are the handlers of everybody else.
func (s *handlerSet) doors(v gate.Verifier, tickets store.Tickets) *server.Doors {
	return &server.Doors{
		Rooms: s.rooms.Text(), Tap: s.tap.Text(), Demo: s.demo, Notification: s.notification,
		Events: s.tap.Stream(), UserEvents: s.userStreams, RoomEvents: s.rooms.Watch(),
		Verifier: v, Tickets: tickets,
	}
}

// carryOut does what a node has left behind that is gone for good.
func (s *handlerSet) carryOut(ctx context.Context, node string, notices []store.LeaveNotice) {
	bad := s.presence.CarryOut(ctx, node, notices, map[string]func(body []byte) bool{
		presence.TopicMembership: s.rooms.CarryOut, tap.TopicNotice: s.tap.CarryOut,
	})
	if bad > 0 {
		s.log.Warn("leave notices that cannot be carried out", "notices", bad)
	}
}

// close ends what handlers have started. It is called after the last session has ended.
func (s *handlerSet) close() {
	s.chat.Close()
	if s.admin != nil {
		s.admin.Close()
	}
}
