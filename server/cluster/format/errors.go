package format

import "errors"

// Errors of this package wrap one of these, or what packages rawjson and msgpack say.
var (
	// ErrFormat says that bytes are not what the protocol puts there.
	ErrFormat = errors.New("malformed message")
	// ErrEvent says that an event has no name, or one that is neither a string nor a number.
	ErrEvent = errors.New("no event name")
	// ErrType says that a request or response does not exist in the mode it is to be written for.
	ErrType = errors.New("no such type in this mode")
)
