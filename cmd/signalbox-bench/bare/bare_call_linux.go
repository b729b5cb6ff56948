package bare

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is read(2) or write(2) on a descriptor that does not block, without telling the Go scheduler: the floor
// must not pay for it. b is not empty.
func call(trap uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		default:
			return 0, errno
		}
	}
}
