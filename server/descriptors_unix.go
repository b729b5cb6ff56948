//go:build unix

package server

import "golang.org/x/sys/unix"

// openFiles returns how many files the process may have open; 0: that is not known.
func openFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30))
}
