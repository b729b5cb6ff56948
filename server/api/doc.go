// Package api is signalbox's HTTP interface for backends: publish on a channel, emit to Socket.IO clients and collect
// their answers, ask who is where, and disconnect somebody. openapi.yaml describes it and is served beside it.
//
// Every call needs the API key. Bodies are JSON and read strictly: a member that is not known is refused by name, since
// a misspelt "rooms" would otherwise send to everybody. What is sent to clients leaves byte for byte as it came. Errors
// have codes that do not change; see [Code].
//
// The package knows the hub and its rooms, and nothing of protocols: how a message reaches a client is behind [Emitter]
// and [Publisher], what is known of people behind [Presence] and [Lobbies].
package api
