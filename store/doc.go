// Package store owns what outlives one event: the users of the chat on "/", the history of rooms, tickets for the routes that ask
// for one, and what other nodes are to tell when this one dies.
//
// It says what each store has to do in an interface, and brings implementations in memory; store/sqlite and store/redis have
// others. The package storetest holds the contracts that they are tested against. The package knows no connection, no room of
// the hub and no protocol.
package store
