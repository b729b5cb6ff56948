// Package engine is signalbox's Engine.IO v4 server, and the connections that plain WebSockets and event streams share
// with it.
//
// It owns handshakes, the two transports (HTTP long-polling and WebSocket), the upgrade from one to the other, the
// heartbeat, and what is queued for a client. It knows nobody above it: packets go to a [Receiver], messages come in
// as bytes that all receivers share ([signalbox/server/wire]).
//
// # One connection
//
// A connection has one reader and one outbox. The reader is a goroutine that the connection owns (polling: the handler
// of the request); it delivers one packet at a time, in order. Sending appends to the outbox and never writes. A few
// flushers, shared by all connections, write all that a connection has queued in one system call that does not block.
// Where the kernel's buffer is full, a goroutine that exists only as long as the blockage finishes the write. So an
// idle connection owns a goroutine and no buffer, a burst leaves in one write, and a slow client holds up nobody.
//
// Before any work is done for a stranger a place is reserved ([Server.Reserve]; handshakes of sessions do the same): by
// Origin, by the handshake, and by the limits on connections, file descriptors and addresses. A [Listener] in front knows
// every TCP connection, those of net/http too.
//
// Deadlines (heartbeat, ends of closing sessions) come from one goroutine for all connections, see [clock].
//
// # Protocol
//
// The rules are those of [Engine.IO v4] and [RFC 6455]. Where the former is silent, the engine answers as the reference
// implementation does.
//
// [Engine.IO v4]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
// [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
package engine
