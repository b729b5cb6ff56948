//go:build unix && (!linux || race)

package rawio

import "syscall"

// The race detector follows data through descriptors only by these calls.

func sysRead(fd uintptr, p []byte) (int, error)  { return syscall.Read(int(fd), p) }
func sysWrite(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
