package app

import (
	"encoding/json"

	"signalbox/server/hub"
)

// TextPeer is what a handler sees of one client on a plain WebSocket. Its methods may be called from any goroutine.
type TextPeer interface {
	// ID returns the client's id: a UUID of version 4 in lower case, made up for this connection, public.
	ID() string
	// Member returns the client's place in the hub, which takes [hub.Message.Text]. The door removes it when the client
	// goes.
	Member() *hub.Member
	// Send queues one text message for this client alone. It copies text and never blocks. It reports whether the
	// message was queued: false means that the connection has ended or is about to.
	Send(text []byte) bool
	// Close ends the connection with a close code of RFC 6455 and a reason of at most 123 bytes. What was sent before
	// still leaves. Text is not called any more. Closing twice is harmless.
	Close(code CloseCode, reason string)
	// Closed reports whether the connection has ended or is about to.
	Closed() bool
}

// CloseCode is the number in a WebSocket's close frame.
//
// Rule: [RFC 6455 section 7.4].
//
// [RFC 6455 section 7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
type CloseCode uint16

const (
	// CloseNormal: the purpose of the connection is fulfilled.
	CloseNormal CloseCode = 1000
	// CloseAway: the server ends.
	CloseAway CloseCode = 1001
	// ClosePolicy: the client did not do what is asked of it, such as to prove who it is.
	ClosePolicy CloseCode = 1008
	// CloseInternal: the server failed.
	CloseInternal CloseCode = 1011
)

// ReasonNotOpened is the reason that a session's Close gets where the connection was refused, or broke, after Connect had
// let the client in: the client never was there, and nobody has to be told that it has gone.
const ReasonNotOpened = "not opened"

// ReasonShutdown is the reason with which connections end when the server does.
const ReasonShutdown = "server shutting down"

// TextHandler serves the clients of one route of plain WebSockets.
type TextHandler interface {
	// Connect is called before the upgrade is answered. What is sent meanwhile is held back until then. A [*Refusal]
	// becomes the HTTP answer.
	Connect(p TextPeer, v Visit) (TextSession, error)
}

// TextReturner is a [TextSession] that goes on with a client that comes back after a cut, with RECOVERY.
type TextReturner interface {
	TextSession
	// Return is called between two messages with the session that the client has begun to come back, which ends then. An error
	// means that it is not let in as who it was.
	Return(anew TextSession) error
}

// TextMover is a [TextHandler] whose clients may go on at another node of a cluster, as those of a [Mover]. Its sessions are a
// [Packer].
type TextMover interface {
	TextHandler
	// Resume is [Mover.Resume]; anew is the session that the client has begun to come back, which ends then.
	Resume(p TextPeer, anew TextSession, state json.RawMessage) (TextSession, error)
}

// TextSession is what a handler keeps for one client.
type TextSession interface {
	// Text handles one message; one that came in binary frames counts as text, with U+FFFD for what is no UTF-8. Calls
	// come one at a time in the order the client sent them, on the goroutine that reads. data is valid until Text
	// returns. A panic ends that client's connection only.
	Text(data []byte)
	// Close is called once, after the last Text, when the connection has ended, and also where the upgrade failed after
	// Connect, with [ReasonNotOpened]. The member is still in its rooms then.
	Close(reason string)
}
