package bench

import (
	"context"
	"errors"
)

// door is a way into the server.
type door uint8

const (
	doorRoot   door = iota // Socket.IO, namespace "/"
	doorChat               // Socket.IO, namespace "/chat", with a token
	doorText               // the plain WebSocket /ws
	doorEvents             // the event stream /events
	doorWatch              // the event stream of a room, with a token
)

// errReadOnly is returned for sending on an event stream.
var errReadOnly = errors.New("event streams go one way")

// dialOptions shape one client.
type dialOptions struct {
	door      door
	token     string // for doorChat and doorWatch
	room      string // for doorWatch
	server    int    // which of the runner's targets
	polling   bool
	bufBytes  int // read buffer, 0: the smallest
	recvBytes int // kernel receive buffer, 0: the system's
}

// dial connects one client to the server.
func dial(ctx context.Context, t target, clk clock, opts dialOptions, on callbacks) (client, error) {
	switch {
	case opts.polling:
		return dialPolling(ctx, t, clk, on)
	case opts.door == doorEvents, opts.door == doorWatch:
		return dialStream(ctx, t, clk, opts, on)
	}
	return dialWebSocket(ctx, t, clk, opts, on)
}
