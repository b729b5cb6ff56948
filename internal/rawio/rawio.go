//go:build unix

// Package rawio reads and writes descriptors that do not block, past Go's scheduler: such calls return within
// microseconds, and telling the scheduler that a goroutine is in the kernel costs more than it seems.
package rawio

import "syscall"

// Direct reports whether this system has what this package is for.
const Direct = true

// Read reads once. again means that nothing is there yet.
func Read(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = sysRead(fd, p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, true, nil
		}
		return max(n, 0), false, err
	}
}

// Write writes once, as much as the kernel takes: 0 if its buffer is full.
func Write(fd uintptr, p []byte) (n int, err error) {
	for {
		n, err = sysWrite(fd, p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		}
		return max(n, 0), err
	}
}
