package app

import "slices"

var reservedEvents = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// IsReserved reports whether a Socket.IO client would take an event of this name for something that happened to its
// connection. Its own libraries refuse to emit such events.
//
// Rule: https://socket.io/docs/v4/emit-cheatsheet/#reserved-events
func IsReserved(event string) bool { return slices.Contains(reservedEvents, event) }
