package store

import "context"

// LeaveNotice is what the other nodes of a cluster are to tell when the one that left it behind dies without a word.
type LeaveNotice struct {
	// Key says who and where: the same person in the same place on another node makes the same key. Notices with one key
	// are counted: two are two.
	Key string
	// Topic says who carries it out, and Body what there is to know for it.
	Topic string
	Body  []byte
}

// LeaveNotices keeps the notices of one node where the others find them. All methods may be called from any goroutine.
type LeaveNotices interface {
	// AddNotice adds one. It never waits.
	AddNotice(n LeaveNotice)
	// WithdrawNotice takes one with this key back. It never waits; having none is no error.
	WithdrawNotice(key string)
	// TakeOver takes one with this key over from a node that is leaving on purpose, and reports whether there was one: then
	// nobody needs to be told that somebody has come, as nobody was told that they had gone. Without such a node, which is
	// nearly always, it asks nobody.
	TakeOver(ctx context.Context, key string) bool
}
