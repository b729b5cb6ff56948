package conn

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

// WebSocket is a plain websocket. All methods may be called from any goroutine.
type WebSocket struct {
	c        Conn
	receiver Receiver // static after construction
}

// wsPing is the ping of plain websockets, and wsLast what they are sent if there is no answer.
var (
	wsPing = controlFrame(opPing, nil)
	wsLast = CloseFrame(closeCode(ReasonPingTimeout), ReasonPingTimeout.String())
)

// Send queues a message. It never blocks and never writes. It returns [ErrClosed] once the connection has ended, and
// [ErrSlowClient] if this message does not fit the outbox, which ends the connection. A message larger than the outbox
// is taken when nothing else is queued.
func (ws *WebSocket) Send(m *wire.Message) error { return ws.c.Send(m, false) }

// Reply is Send for an answer to the message being handled: if the reader is at work, it waits until that has handled
// what has arrived, and leaves with the other answers in one write.
func (ws *WebSocket) Reply(m *wire.Message) error { return ws.c.Send(m, true) }

// Pause is for a receiver whose client sends more than it may, see [Conn.Pause].
func (ws *WebSocket) Pause(d time.Duration) bool { return ws.c.Pause(d, nil) }

// Inflated tells by how much compressed messages have grown, see [Conn.Inflated].
func (ws *WebSocket) Inflated() int { return ws.c.Inflated() }

// SendVolatile queues a message unless the client reads too slowly, and reports whether it did.
func (ws *WebSocket) SendVolatile(m *wire.Message) bool { return ws.c.SendVolatile(m) }

// ClientLeft reports whether the client has ended the connection by a close frame with 1000, with 1001 or without a code. With
// another it says that something went wrong.
func (ws *WebSocket) ClientLeft() bool {
	ws.c.mu.Lock()
	defer ws.c.mu.Unlock()
	return ws.c.clientLeft
}

// Close ends the connection after what is queued, with the close code that goes with the reason.
func (ws *WebSocket) Close(reason Reason) { ws.CloseWith(reason, closeCode(reason), "") }

// CloseWith is Close with a close code and a text of the caller's. The text is cut to 123 bytes. RFC 6455 section
// 7.4.2 leaves codes from 4000 to applications.
func (ws *WebSocket) CloseWith(reason Reason, code uint16, text string) {
	ws.c.Shut(reason, CloseFrame(code, text))
}

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

// WebSocket answers a websocket handshake and calls open for the connection, on this goroutine. What open returns
// receives its messages. Headers set on the response writer go out with the response. Once WebSocket has returned nil
// the request is over, and neither the writer nor the request's context may be used. An error wraps [ErrRefused] and
// means that the request was answered with an error status, or that the client is gone.
func (p *Place) WebSocket(o WebSocketOptions, open func(*WebSocket) Receiver) error {
	s := p.srv
	setDefault(&o.PingInterval, s.cfg.PingInterval)
	setDefault(&o.PingTimeout, s.cfg.PingTimeout)
	setDefault(&o.MaxPayloadBytes, s.MaxPayloadBytes())
	if !IsUpgrade(p.r) {
		p.Cancel()
		s.Refuse(p.w, refuseUpgrade)
		return refuseUpgrade
	}
	ws := new(WebSocket)
	reader, err := p.Open(&ws.c, (*webSocketOwner)(ws), nil, o.MaxPayloadBytes)
	if err != nil {
		return err
	}
	s.tally.webSocketsOpened.Add(1)
	ws.c.StartHeartbeat(s.Heartbeat(HeartbeatOptions{Interval: o.PingInterval, Timeout: o.PingTimeout, Ping: wsPing, Last: wsLast}))
	if ws.receiver = open(ws); ws.receiver == nil {
		ws.receiver = Nobody{}
		ws.Close(ReasonForcedClose)
	}
	s.Spawn(func() { ws.c.Serve(reader) })
	return nil
}

// webSocketOwner is a [WebSocket] as its connection sees it.
type webSocketOwner WebSocket

// Message implements [Owner].
func (ws *webSocketOwner) Message(binary bool, data []byte) error {
	var err error
	if binary {
		err = ws.receiver.Binary(data)
	} else {
		err = ws.receiver.Text(data)
	}
	if err != nil {
		return &Fault{closePolicy, ReasonParseError, "message was refused"}
	}
	return nil
}

// Pong implements [Owner].
func (ws *webSocketOwner) Pong() { ws.c.GotPong() }

// Closed implements [Owner].
func (ws *webSocketOwner) Closed(reason Reason) { ws.c.TellClosed(ws.receiver, reason) }

// Close implements [Owner].
func (ws *webSocketOwner) Close(reason Reason) { (*WebSocket)(ws).Close(reason) }

// EndedLocked implements [Owner]: the reader ends a websocket.
func (ws *webSocketOwner) EndedLocked() {}

// Removed implements [Owner].
func (ws *webSocketOwner) Removed() {}
