// Package eio3 translates for the clients of Engine.IO 3: socket.io-client 1 and 2. The server speaks version 4; what comes
// from such a client, and goes to it, passes through the functions here, which keep nothing. Without ALLOW_EIO3 nothing of
// this package runs, and who reads the server may leave it out.
//
// # Protocol
//
// The rules are those of [Engine.IO v3] and [Socket.IO v4], and where they are silent those of the reference implementation
// with its option allowEIO3:
//
//   - a body of polling is a list of packets with their lengths, as text or as bytes, see [Decode];
//   - bytes have a packet type of their own before them, see [Typed];
//   - the client pings, and the server answers;
//   - the namespace / is joined unasked, the socket id is the session id, and what an application says of its user is in the
//     query of a namespace, see [SocketID] and [CutQuery].
//
// [Engine.IO v3]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v3.md
// [Socket.IO v4]: https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v4.md
package eio3
