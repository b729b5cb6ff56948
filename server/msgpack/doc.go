// Package msgpack writes JSON as msgpack and msgpack as JSON, the way JavaScript does with notepack.io in between: what
// clients with socket.io-msgpack-parser and the Redis adapter of Node servers speak. It reads and writes bytes and knows
// neither packets nor what they are for. All functions are pure and may be called from any goroutine.
//
// JSON is written as msgpack in one pass, without values in between; binary attachments take the places of their
// placeholders.
//
// Everything read is taken to be hostile: lengths are checked before they are believed, nesting is bounded by
// [rawjson.MaxDepth], and what is allocated is bounded by a small multiple of the input.
//
// Rule: [MessagePack], [notepack.io] for what it leaves open.
//
// [MessagePack]: https://github.com/msgpack/msgpack/blob/master/spec.md
// [notepack.io]: https://github.com/darrachequesne/notepack
package msgpack

import "errors"

// ErrFormat says that bytes are not msgpack, or not what is expected there.
var ErrFormat = errors.New("malformed msgpack")
