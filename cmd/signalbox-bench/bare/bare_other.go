//go:build !linux

package bare

import (
	"context"
	"errors"
)

// Serve needs epoll.
func Serve(context.Context, int, func(addr string)) error {
	return errors.New("the bare server runs on Linux only")
}
