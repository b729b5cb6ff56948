// Package redislink owns the connections of one process to Redis: one that writes in order, one or a few that receive, and a pool
// for commands somebody waits for. It knows one Redis, one behind Sentinels, and a Redis Cluster.
//
// Redis may be away at any time. Then nothing waits: what is to be written is refused and counted, commands fail with
// [ErrAway], and the link comes back by itself, with everything subscribed again before it says so.
//
// What was written to a connection that broke is never written a second time, so nothing arrives twice; it is counted as
// lost where Redis has not answered it.
//
// The package knows channels and commands, and nothing of what is in them.
package redislink
