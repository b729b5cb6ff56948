// Package bench is a load generator for Socket.IO servers (Engine.IO protocol 4, Socket.IO protocol 5): "signalbox
// bench". It speaks the broker and the chat, so any server with those two apps can be measured, whoever wrote it.
//
// It counts what got lost, doubled or reordered by sequence numbers, measures latency from the moment a message was
// due, and, told the server's process id, the processor time and memory the server spent. "signalbox bench compare"
// runs the same scenarios against signalbox, Node's socket.io and the stock library, each pinned to a processor of its
// own, and writes docs/benchmarks.md. What only signalbox has, its other doors, the API and the history, is measured
// against itself. "signalbox bench --cluster" does it for servers that share a Redis, which it starts.
//
// The package owns its clients: a lean websocket and a lean polling client that read whole batches per system call. Redis
// alone it asks by go-redis.
// It knows nothing of the server's packages, on purpose: a mistake there must not be repeated here.
package bench
