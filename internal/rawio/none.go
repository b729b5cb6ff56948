//go:build !unix

// Package rawio has nothing to offer on this system.
package rawio

import "errors"

// Direct reports whether this system has what this package is for.
const Direct = false

func Read(uintptr, []byte) (n int, again bool, err error) { return 0, false, errors.ErrUnsupported }

func Write(uintptr, []byte) (n int, err error) { return 0, errors.ErrUnsupported }
