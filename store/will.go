package store

import "context"

// Will is what the other nodes of a cluster are to tell when the one that left it behind dies without a word.
type Will struct {
	// Key says who and where: the same person in the same place on another node makes the same key. Wills with one key
	// are counted: two are two.
	Key string
	// Topic says who carries it out, and Body what there is to know for it.
	Topic string
	Body  []byte
}

// Wills keeps the wills of one node where the others find them. All methods may be called from any goroutine.
type Wills interface {
	// Will adds one. It never waits.
	Will(w Will)
	// Unwill takes one with this key back. It never waits; having none is no error.
	Unwill(key string)
	// Claim takes one with this key over from a node that is leaving on purpose, and reports whether there was one: then
	// nobody needs to be told that somebody has come, as nobody was told that they had gone. Without such a node, which is
	// nearly always, it asks nobody.
	Claim(ctx context.Context, key string) bool
}
