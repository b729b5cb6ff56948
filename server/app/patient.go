package app

import "errors"

// Patient is a [Handler] that waits for others before it lets a client in. Its Connect is called on a goroutine of its own,
// so that the client's other packets do not wait for it, and finds [Handshake.Gone] set.
type Patient interface {
	Handler
	// ConnectWeight returns what a CONNECT weighs beyond [WeightConnect].
	ConnectWeight() float64
}

// ErrUnavailable is the error of a Connect that can neither let the client in nor refuse it. The connection ends without an
// answer to its CONNECT: a client that is refused does not come again by itself, one that was cut does.
var ErrUnavailable = errors.New("unavailable")
