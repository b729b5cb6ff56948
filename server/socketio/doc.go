// Package socketio binds the Socket.IO library to our own engine, codec and hub.
//
// The library (zishang520/socket.io) keeps what applications are written against: namespaces, middleware, Socket, acks,
// broadcast operators. It publishes an extension point for each of the three parts that carry traffic, and this package
// fills all three: the engine through Server.Bind, the parser through ServerOptions.SetParser, the rooms through
// ServerOptions.SetAdapter.
//
// Events never enter the library. A [conn] reads a packet on its connection's own goroutine; an EVENT goes to the
// [app.Session] of its namespace at once and in order, and only CONNECT and DISCONNECT are passed on. What handlers send
// goes through the hub to [peer.Deliver] and from there to the engine's outbox.
package socketio
