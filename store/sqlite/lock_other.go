//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sqlite

import "os"

// lockFile opens the lock file. Systems without flock get no lock: two processes on one history make each other's
// writes fail, which is logged, but do not damage the file.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, filePermissions)
}
