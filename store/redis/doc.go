// Package redis keeps in Redis what the nodes of a cluster share: the users of the chat on "/", the tickets, the history, and
// which nodes there are, with what the others are to tell when one of them dies.
//
// It knows how its keys look and when they go, and nothing of messages, channels and clients. Connections are those of the
// package redislink: while Redis is away its calls fail at once, and what this package does then is said at each method.
//
// # Keys
//
// All keys begin with the prefix and "-signalbox:"; those of the history are described at historyKeys. Keys that one script
// changes have the same hash tag, so that a Redis Cluster keeps them in one slot. No key is without a time after which Redis
// drops it; living nodes put those of 24 hours off with every beat. Redis must not evict keys (maxmemory-policy noeviction).
//
// INC is an incarnation of a node, H the SHA-256 of a ticket or of a user's id in base64.
//
//	{nodes}:lease    sorted set   node -> when its lease ends, in ms of Redis' clock          24 h
//	{nodes}:run      hash         node -> its incarnation, 16 hex digits                      24 h
//	{nodes}:leaving  hash         node that is leaving -> its incarnation                     24 h
//	{nodes}:version  integer      counts changes of leaving                                   24 h
//	{nodes}:seen     hash         node -> the version it has last seen                        24 h
//	{nodes}:dead     sorted set   "incarnation node" -> when it was declared dead, ms         24 h, at most 10,000
//	{nodes}:work     sorted set   the dead whose remains are to be carried out -> until when one has taken it on, ms   24 h
//	{nodes}:claim    hash         work -> "incarnation node" of who has taken it on           24 h
//	{nodes}:ids      hash         socket id -> a user: place in the order, node, room, name   24 h
//	{nodes}:rooms    sorted set   users by room, then by their place in the order of login    24 h
//	{nodes}:owners   sorted set   users by node, room and name                                24 h
//	{nodes}:seq      integer      the last place in the order of login                        24 h
//	{INC}:wills      hash         notices of an incarnation: key -> count, topic and body       24 h
//	{INC}:left       hash         notices of an incarnation that is leaving                     24 h
//	{INC}:taken      hash         how often each of left was taken over and not yet withdrawn  24 h
//	{INC}:rest       hash         what was left when the grace was over                       24 h
//	{tickets}:t:H    string       a ticket -> its user                                        15 min
//	{tickets}:u:H    sorted set   the tickets of a user, by expiry                            15 min
//	{tickets}:all    sorted set   all tickets by expiry                                       15 min
package redis
