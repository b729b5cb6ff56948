// Package format owns the wire formats in which servers of a cluster talk to each other through Redis: those of Node's
// @socket.io/redis-adapter 8.3, classic and sharded, and of @socket.io/redis-emitter 5.1. It reads and writes bytes and
// knows neither the network nor what a message is for. All functions are pure and may be called from any goroutine.
//
// Events come and go as JSON. Where the wire is msgpack, JSON is written as msgpack in one pass, without values in between;
// binary attachments take the places of their placeholders. Node servers read from it what JSON.parse would have given them.
// What signalbox nodes need beyond that travels in a map named sb inside the opts of a message, which Node servers ignore:
// see [Ext].
//
// Everything read is taken to be hostile: lengths are checked before they are believed, nesting is bounded by [rawjson.MaxDepth],
// and what is allocated is bounded by a small multiple of the input. An error means that a message is to be dropped, and
// counted. Unknown fields are ignored everywhere, for nobody in such a cluster checks versions.
//
// # Identity
//
// An event that one signalbox node sends arrives at another byte for byte as it was. msgpack gives back the JSON that
// JSON.stringify would have written; where an event was written another way (space between tokens, 1.0, escapes that
// nobody needs), its JSON travels in the extension as well. Space around an argument is no part of it.
//
// Rule: [@socket.io/redis-adapter], [MessagePack].
//
// [@socket.io/redis-adapter]: https://github.com/socketio/socket.io/tree/main/packages/socket.io-redis-adapter
// [MessagePack]: https://github.com/msgpack/msgpack/blob/master/spec.md
package format
