// Package client has the clients of the load: a lean websocket and a lean polling client of Socket.IO that read whole
// batches per system call, a plain WebSocket and an event stream; and the messages that they send.
package client
