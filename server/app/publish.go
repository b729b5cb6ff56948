package app

import "errors"

// Errors of publishing that are the caller's fault. Their texts, and those of what wraps them, go to the caller.
var (
	// ErrChannel is for a channel that does not exist.
	ErrChannel = errors.New("no such channel: use update, broadcast, user:<id> or room:<id>")
	// ErrMessage is for a message that the channel does not take.
	ErrMessage = errors.New("the message cannot be published on this channel")
)
