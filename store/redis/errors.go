package redis

import (
	"errors"
	"fmt"
)

// ErrNotRegistered: the others do not know this node, so there is nothing they could be told of it. It will be known again a
// beat after Redis can be reached.
var ErrNotRegistered = errors.New("redis: node is not registered")

// errReply: Redis answered something that the script that was run does not answer.
var errReply = errors.New("redis: unexpected reply")

func unexpected(reply any) error { return fmt.Errorf("%w: %T", errReply, reply) }
