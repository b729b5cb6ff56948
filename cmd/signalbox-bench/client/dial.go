package client

import (
	"context"
	"errors"
)

// Door is a way into the server.
type Door uint8

const (
	Root   Door = iota // Socket.IO, namespace "/"
	Chat               // Socket.IO, namespace "/chat", with a token
	Text               // the plain WebSocket /ws
	Events             // the event stream /events
	Watch              // the event stream of a room, with a token
	Tap                // the plain WebSocket /tap
)

// errReadOnly is returned for sending on an event stream.
var errReadOnly = errors.New("event streams go one way")

// Options shape one client.
type Options struct {
	Door      Door
	Token     string // for doorChat and doorWatch
	Room      string // for doorWatch
	Namespace string // in place of "/"
	Key       string // for a namespace that asks for one
	Server    int    // which of the runner's targets
	Polling   bool
	BufBytes  int // read buffer, 0: the smallest
	RecvBytes int // kernel receive buffer, 0: the system's
	Return    *Return
}

// Return is what a client that comes back brings, and what it is told; nil: it is a new one.
type Return struct {
	PID, Offset string // "": none
	Recovered   bool   // it is who it was
}

// Dial connects one client to the server.
func Dial(ctx context.Context, t Target, clk Clock, opts Options, on Callbacks) (Client, error) {
	switch {
	case opts.Polling:
		return dialPolling(ctx, t, clk, on)
	case opts.Door == Events, opts.Door == Watch:
		return dialStream(ctx, t, clk, opts, on)
	}
	return dialWebSocket(ctx, t, clk, opts, on)
}
