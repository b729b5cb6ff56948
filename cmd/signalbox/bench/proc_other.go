//go:build !linux

package bench

import (
	"errors"
	"time"
)

var errLinuxOnly = errors.New("--pid works on Linux only")

// process would read what the system knows of the server under load; only Linux tells in the way needed here.
type process struct{}

func openProcess(int) (*process, error)      { return nil, errLinuxOnly }
func (*process) cpu() (time.Duration, error) { return 0, errLinuxOnly }
func (*process) rss() (int64, error)         { return 0, errLinuxOnly }
func (*process) descriptors() (int, error)   { return 0, errLinuxOnly }
func descriptorLimit() (int, error)          { return 1 << 30, nil }
