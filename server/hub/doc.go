// Package hub owns who is where: rooms, their members, and the way a message takes from one sender to all of them.
//
// The hub knows no protocol. A [Member] says through its [Sink] how it takes a message; a Socket.IO socket, a plain
// WebSocket and an SSE stream stand in the same room and each gets its own form of the same [Message], encoded at most
// once per form however many members there are.
package hub
