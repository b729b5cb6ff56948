//go:build linux && !race

package redislink

import (
	"syscall"
	"unsafe"
)

func sysRead(fd uintptr, p []byte) (int, error)  { return sysCall(syscall.SYS_READ, fd, p) }
func sysWrite(fd uintptr, p []byte) (int, error) { return sysCall(syscall.SYS_WRITE, fd, p) }

func sysCall(number, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
