package engine

import (
	"time"

	"signalbox/server/wire"
)

// WebSocketOptions are the choices for one plain websocket. The zero value of each field means its default. A program
// uses a few fixed durations, not one for each connection.
type WebSocketOptions struct {
	// PingInterval is the time between a pong and the next ping, which are websocket frames. Default
	// [Config.PingInterval].
	PingInterval time.Duration
	// PingTimeout is how long a client may take to answer. Default [Config.PingTimeout].
	PingTimeout time.Duration
	// MaxPayloadBytes is the largest message a client may send. Default [Config.MaxPayloadBytes].
	MaxPayloadBytes int64
}

// WebSocket is a plain websocket: no Engine.IO, the same outbox, limits and heartbeat. All methods may be called from
// any goroutine.
type WebSocket struct {
	link

	// Static after construction.
	addr     string
	receiver Receiver
}

// Send queues a message, as [Session.Send] does.
func (ws *WebSocket) Send(m *wire.Message) error { return ws.send(m, false) }

// Reply is [Session.Reply].
func (ws *WebSocket) Reply(m *wire.Message) error { return ws.send(m, true) }

// Pause is [Session.Pause].
func (ws *WebSocket) Pause(d time.Duration) bool { return ws.pause(d, nil) }

// SendVolatile is [Session.SendVolatile].
func (ws *WebSocket) SendVolatile(m *wire.Message) bool { return ws.sendVolatile(m) }

// Close ends the connection after what is queued, with the close code that goes with the reason.
func (ws *WebSocket) Close(reason Reason) { ws.CloseWith(reason, closeCode(reason), "") }

// CloseWith is Close with a close code and a text of the caller's. The text is cut to 123 bytes. RFC 6455 section 7.4.2
// leaves codes from 4000 to applications.
func (ws *WebSocket) CloseWith(reason Reason, code uint16, text string) {
	ws.shut(reason, closeFrame(code, text))
}

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (ws *WebSocket) RemoteAddr() string { return ws.addr }

// closeCode returns what tells a client of a plain websocket best why it was closed.
func closeCode(reason Reason) uint16 {
	switch reason {
	case ReasonServerShutdown:
		return closeGoingAway
	case ReasonPayloadTooLarge:
		return closeTooBig
	case ReasonInternalError:
		return closeInternal
	case ReasonParseError, ReasonPingTimeout:
		return closePolicy
	default:
		return closeNormal
	}
}

// WebSocket answers a websocket handshake and calls open for the connection, on this goroutine. What open returns receives
// its messages. Headers set on the response writer go out with the response. Once WebSocket has returned nil the request is
// over, and neither the writer nor the request's context may be used. An error wraps [ErrRefused] and means that the
// request was answered with an error status, or that the client is gone.
func (p *Place) WebSocket(o WebSocketOptions, open func(*WebSocket) Receiver) error {
	s := p.srv
	setDefault(&o.PingInterval, s.cfg.PingInterval)
	setDefault(&o.PingTimeout, s.cfg.PingTimeout)
	setDefault(&o.MaxPayloadBytes, s.cfg.MaxPayloadBytes)
	if !IsUpgrade(p.r) {
		p.Cancel()
		s.refuse(p.w, refuseUpgrade)
		return refuseUpgrade
	}
	ws := &WebSocket{addr: p.addr}
	ws.init(s, ws)
	reader, err := p.open(&ws.link, func() (taken, error) { return s.switchProtocols(p.w, p.r, nil) }, o.MaxPayloadBytes)
	if err != nil {
		return err
	}
	s.tally.webSocketsOpened.Add(1)
	heart := s.heartOf(beat{interval: o.PingInterval, timeout: o.PingTimeout})
	ws.mu.Lock()
	ws.startHeartLocked(heart)
	ws.mu.Unlock()
	if ws.receiver = open(ws); ws.receiver == nil {
		ws.receiver = nobody{}
		ws.Close(ReasonForcedClose)
	}
	s.spawn(func() { ws.serve(reader, ws) })
	return nil
}

// message implements sink.
func (ws *WebSocket) message(op opcode, data []byte) error {
	var err error
	if op == opText {
		err = ws.receiver.Text(data)
	} else {
		err = ws.receiver.Binary(data)
	}
	if err != nil {
		return &frameError{closePolicy, ReasonParseError, "message was refused"}
	}
	return nil
}

// wsPong implements sink.
func (ws *WebSocket) wsPong() { ws.gotPong() }

// closed implements sink.
func (ws *WebSocket) closed(reason Reason) { ws.tellClosed(ws.receiver, reason) }

// endedLocked implements owner: the reader ends a websocket.
func (ws *WebSocket) endedLocked() {}
