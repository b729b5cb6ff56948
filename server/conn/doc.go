// Package conn is one connection of a client, and what all of them share: limits, flushers, a clock, counters.
//
// It owns the websocket frames, what is queued for a client, heartbeats, deadlines and ends, whatever is spoken above:
// Engine.IO (server/engine), plain websockets and event streams (server/door). It knows nobody above it: messages go
// to a [Receiver], and come in as bytes that all receivers share ([signalbox/server/wire]).
//
// # One connection
//
// A connection has one reader and one outbox. The reader is a goroutine that the connection owns; it delivers one
// message at a time, in order. Sending appends to the outbox and never writes. A few flushers, shared by all
// connections, write all that a connection has queued in one system call that does not block. Where the kernel's
// buffer is full, a goroutine that exists only as long as the blockage finishes the write. So an idle connection owns
// a goroutine and no buffer, a burst leaves in one write, and a slow client holds up nobody. A session that polls has
// a [Conn] without a socket: its requests fetch what is queued, see [Conn.AwaitLocked].
//
// Before any work is done for a stranger a place is reserved ([Server.Reserve]): by Origin, by the handshake, and by
// the limits on connections, file descriptors and addresses. A [Listener] in front knows every TCP connection, those
// of net/http too.
//
// Deadlines (heartbeat, ends of closing sessions) come from one goroutine for all connections, see [clock].
//
// The rules are those of [RFC 6455].
//
// [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
package conn
