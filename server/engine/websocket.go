package engine

import (
	"net/http"
	"time"

	"signalbox/server/wire"
)

// WebSocketOptions are the choices for one plain websocket. The zero value of each field means its default.
type WebSocketOptions struct {
	// PingInterval is the time between two pings. Default [Config.PingInterval].
	PingInterval time.Duration
	// PingTimeout is how long a client may take to answer one. Default [Config.PingTimeout].
	PingTimeout time.Duration
	// MaxPayloadBytes is the largest message a client may send. Default [Config.MaxPayloadBytes].
	MaxPayloadBytes int64
}

// WebSocket is a plain websocket: no Engine.IO, the same outbox, limits and heartbeat.
type WebSocket struct{ link }

// Send queues a message, as [Session.Send] does.
func (ws *WebSocket) endedLocked()               {}
func (ws *WebSocket) Send(m *wire.Message) error { return ErrClosed }

// Reply is [Session.Reply].
func (ws *WebSocket) Reply(m *wire.Message) error { return ErrClosed }

// SendVolatile is [Session.SendVolatile].
func (ws *WebSocket) SendVolatile(m *wire.Message) bool { return false }

// Close ends the connection with the close code that goes with the reason.
func (ws *WebSocket) Close(reason Reason) {}

// CloseWith ends the connection with a close code and text of the caller's.
func (ws *WebSocket) CloseWith(reason Reason, code uint16, text string) {}

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (ws *WebSocket) RemoteAddr() string { return "" }

// UpgradeWebSocket answers a websocket handshake and calls open for the connection, on this goroutine. What open
// returns receives its messages. Once it returned nil the request is over and w must not be used again. An error wraps
// [ErrRefused] and means that the request was answered with an error status.
func (s *Server) UpgradeWebSocket(w http.ResponseWriter, r *http.Request, o WebSocketOptions, open func(*WebSocket) Receiver) error {
	return ErrRefused
}
