package format

import "errors"

// Errors of this package wrap one of these.
var (
	// ErrFormat says that bytes are not what the protocol puts there.
	ErrFormat = errors.New("malformed message")
	// ErrJSON says that an argument to be written is not valid JSON.
	ErrJSON = errors.New("invalid JSON")
	// ErrDepth says that values nest deeper than [MaxDepth].
	ErrDepth = errors.New("nests too deep")
	// ErrEvent says that an event has no name, or one that is neither a string nor a number.
	ErrEvent = errors.New("no event name")
	// ErrType says that a request or response does not exist in the mode it is to be written for.
	ErrType = errors.New("no such type in this mode")
)

// MaxDepth is how deep arrays and objects may nest in one argument of an event. What nests deeper is refused, whether it is
// read or to be written. It is the bound that the server has for what clients send.
const MaxDepth = 512
