//go:build !linux

package bench

import (
	"context"
	"errors"
)

// serveBare needs epoll.
func serveBare(context.Context, int, func(addr string)) error {
	return errors.New("the bare server runs on Linux only")
}
