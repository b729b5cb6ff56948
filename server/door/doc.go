// Package door owns the ways in that speak no Socket.IO: plain WebSockets, streams of Server-Sent Events, and the request
// for a ticket.
//
// A door turns a request into a [app.Visit], asks a handler whether the client may come in, opens the connection on the
// engine, and stands in the hub for it: messages to the client go through the hub or the peer, messages from the client
// to the handler's session, one at a time and in order. Framing, outbox, heartbeat and limits are the engine's. The
// package knows no route and nothing of what messages mean.
package door
