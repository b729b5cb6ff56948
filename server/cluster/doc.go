// Package cluster joins this server with others over Redis: other signalbox nodes, and Node servers that use
// @socket.io/redis-adapter, whose wire format it speaks in both of its modes, or @socket.io/redis-streams-adapter.
//
// A message is published once, in Node's own form, with what only signalbox knows in a corner that Node does not look
// into. So both kinds of server read the same bytes. What two signalbox nodes have to say to each other beyond that
// goes over channels of their own.
//
// One connection writes and one receives, so what one client sends reaches another in order, whichever nodes they are
// on. No method that a message passes through waits for Redis.
package cluster
