package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signalbox/config"
	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/door"
	"signalbox/server/socketio"
	"signalbox/store"
)

// Doors are the handlers of the ways in that speak no Socket.IO, and what the tickets for two of them need. All of them
// are needed.
type Doors struct {
	Rooms        app.TextHandler // /ws
	Tap          app.TextHandler // /tap
	Demo         app.TextHandler // /demo
	Notification app.TextHandler // /notification

	Events     app.StreamHandler // /events
	UserEvents app.StreamHandler // /events/user/:userId
	RoomEvents app.StreamHandler // /events/room/:room

	Verifier door.Verifier
	Tickets  store.Tickets
}

// The paths of the doors.
const (
	roomsPath        = "/ws"
	tapPath          = "/tap"
	demoPath         = "/demo"
	notificationPath = "/notification"
	eventsPath       = "/events"
	userEventsPath   = "/events/user/"
	roomEventsPath   = "/events/room/"
	ticketPath       = "/api/auth/token/ws"
)

// doorSet are the doors as the routes serve them, by path; a path that ends in a slash goes on with a parameter.
type doorSet map[string]http.Handler

// newDoors returns the doors over the connections of realtime. nil: there are none.
func newDoors(o Options, realtime *socketio.Server, m *Metrics, on *Server) doorSet {
	if o.Doors == nil {
		return nil
	}
	s := door.New(door.Config{
		Conns:                realtime.Conns(),
		Hub:                  o.Hub,
		Recovery:             realtime.RecoveryStore(),
		Mover:                realtime.Mover(),
		MaxMessagesPerSecond: o.Config.MaxEventsPerSecond,
		Log:                  o.Log,
	})
	on.OnReload(func(cfg config.Config) { s.SetMaxMessages(cfg.MaxEventsPerSecond) })
	describeDoors(m, s.Stats())
	var usual conn.WebSocketOptions // PING_INTERVAL and PING_TIMEOUT
	tickets := authenticatedOptions(o.Config.AuthPingInterval)
	d := o.Doors
	rooms := s.WebSocket(d.Rooms, usual)
	if o.Config.Recovery.Has(roomsPath) {
		rooms = s.Returning(d.Rooms, usual)
	}
	streams := s.Stream
	if o.Config.Recovery.Has(eventsPath) {
		streams = s.LastingStream
	}
	return doorSet{
		roomsPath:        rooms,
		tapPath:          s.WebSocket(d.Tap, usual),
		demoPath:         s.WebSocket(d.Demo, tickets),
		notificationPath: s.WebSocket(d.Notification, tickets),
		eventsPath:       s.Stream(d.Events),
		userEventsPath:   streams(d.UserEvents),
		roomEventsPath:   streams(d.RoomEvents),
		ticketPath:       door.Ticket(d.Verifier, d.Tickets, o.Log),
	}
}

// authenticatedOptions are those of /demo and /notification: a client that has not answered a ping when the next is due
// is cut.
func authenticatedOptions(interval time.Duration) conn.WebSocketOptions {
	return conn.WebSocketOptions{PingInterval: interval, PingTimeout: interval}
}

// doorRoutes registers the doors. Names of users and rooms may hold slashes, so they are the rest of the path.
func (s *Server) doorRoutes(r *gin.Engine) {
	for _, path := range []string{roomsPath, tapPath, demoPath, notificationPath, eventsPath, ticketPath} {
		r.GET(path, s.serveDoor(path, ""))
	}
	r.GET(userEventsPath+"*userId", s.serveDoor(userEventsPath, "userId"))
	r.GET(roomEventsPath+"*room", s.serveDoor(roomEventsPath, "room"))
}

// serveDoor serves one path of a doorSet.
func (s *Server) serveDoor(path, param string) gin.HandlerFunc {
	return func(c *gin.Context) {
		h := s.doors[path]
		if h == nil {
			c.String(http.StatusNotFound, "not found")
			return
		}
		if param != "" {
			c.Request.SetPathValue(param, strings.TrimPrefix(c.Param(param), "/"))
		}
		h.ServeHTTP(c.Writer, c.Request)
	}
}

// refuseStray answers an upgrade to a path without a WebSocket with 401, as the routes with tickets always did: who does
// not know the way in is not told whether there is one.
func (s *Server) refuseStray(c *gin.Context) {
	if !conn.IsUpgrade(c.Request) {
		return
	}
	switch path := c.Request.URL.Path; {
	case strings.HasPrefix(path+"/", socketPath), path == roomsPath, path == tapPath, path == demoPath, path == notificationPath:
		return
	}
	door.Refuse(c.Writer, &app.Refusal{Status: http.StatusUnauthorized})
	c.Abort()
}

// describeDoors shows what came through the doors. Their connections are among those of the engine.
func describeDoors(m *Metrics, s *door.Stats) {
	m.Count("signalbox_texts_received_total", "Messages on plain websockets that were given to handlers.", &s.TextsIn)
	m.Count("signalbox_texts_throttled_total", "Messages on plain websockets that had to wait for MAX_EVENTS_PER_SECOND.", &s.Throttled)
	m.Count("signalbox_door_panics_total", "Handlers of plain websockets and streams that panicked; each ended its client's connection.", &s.Panics)
}
