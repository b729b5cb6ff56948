package app

import "signalbox/server/hub"

// StreamPeer is what a handler sees of one client of a Server-Sent Events stream. Its methods may be called from any
// goroutine.
type StreamPeer interface {
	// ID returns the client's id: a UUID of version 4 in lower case, made up for this stream.
	ID() string
	// Member returns the client's place in the hub, which takes [hub.Message.SSE]. The door removes it when the client goes.
	Member() *hub.Member
	// Send queues records for this client alone, each with its closing empty line. It copies them and never blocks. It
	// reports whether they were queued: false means that the stream has ended or is about to.
	Send(records []byte) bool
	// Close ends the stream after what was sent before. A browser's EventSource asks again by itself. Closing twice is
	// harmless.
	Close()
	// Closed reports whether the stream has ended or is about to.
	Closed() bool
}

// StreamHandler serves the clients of one route of streams.
type StreamHandler interface {
	// Connect is called before the request is answered. What is sent meanwhile is held back until then. A [*Refusal]
	// becomes the answer.
	Connect(p StreamPeer, v Visit) (StreamSession, error)
}

// StreamSession is what a handler keeps for one client.
type StreamSession interface {
	// Close is called once when the stream has ended, and also where it could not be opened after Connect, with
	// [ReasonNotOpened]. The member is still in its rooms then.
	Close(reason string)
}
