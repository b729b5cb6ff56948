// Package engine is signalbox's Engine.IO v4 server. For clients of version 3 package eio3 translates, where they may come.
//
// It owns handshakes, the two transports (HTTP long-polling and WebSocket), the upgrade from one to the other, and
// what packets mean. Outbox, frames, heartbeat and limits are those of [signalbox/server/conn], on which each
// [Session] stands. It knows nobody above it: messages go to a [conn.Receiver], and come in as bytes that all
// receivers share ([signalbox/server/wire]).
//
// # Protocol
//
// The rules are those of [Engine.IO v4]. Where it is silent, the engine answers as the reference implementation does.
//
// [Engine.IO v4]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
package engine
