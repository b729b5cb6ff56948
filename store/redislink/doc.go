// Package redislink owns the connections of one process to Redis: one that writes in order, one or a few that receive, and
// one for commands somebody waits for. It knows one Redis, one behind Sentinels, and a Redis Cluster, of version 5 or later.
//
// Redis may be away at any time. Then nothing waits: what is to be written is refused and counted, commands fail with
// [ErrAway], and the link comes back by itself, with everything subscribed again before it says so. A connection that stands
// and is silent for some seconds is not away: what is queued waits.
//
// What was written to a connection that broke is never written a second time, so nothing arrives twice; it is counted as
// lost where Redis has not answered it.
//
// It speaks RESP 2 itself, without a client of others: these repeat commands, make connections anew behind the back of who
// would have to know that messages are missing, and take two to five times as long for a message, which every node of a
// cluster spends on every message.
//
// The package knows channels and commands, and nothing of what is in them.
package redislink
