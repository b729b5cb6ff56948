// Package store owns what outlives one event: the users of the chat on "/".
//
// It says what a store has to do in an interface and brings an implementation in memory. The package storetest holds
// the contract that every implementation is tested against. The package knows no connection, no room of the hub and no
// protocol.
package store
