// Package socketio is Socket.IO: packets, clients in namespaces, and what happens to them.
//
// A [conn] reads the packets of one connection on the connection's own goroutine. An EVENT goes to the [app.Session] of
// its namespace at once and in order. A client in a namespace is a [peer]: what handlers send goes through the hub to
// [peer.Deliver] and from there to the engine's outbox. Namespaces without a handler belong to a [Library], if there is
// one.
package socketio
