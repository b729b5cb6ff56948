// Package library serves Socket.IO namespaces for programs that are written against the Socket.IO library
// (zishang520/socket.io): namespaces, middleware, Socket, rooms, acks, broadcast operators. docs/library.md is its
// page.
//
// The library is what such programs see; it carries no traffic. [New] fills the extension points that it publishes:
// the parser (parser.go), the adapter (adapter.go), and, for each client in a namespace, the connection
// (engine_adapter.go). Each client is a session of package socketio (session.go): what it sends goes to the listeners
// of its Socket on the connection's own goroutine, in order, and what is emitted goes to the hub and the engine's
// outbox.
package library
