//go:build !linux

package machine

import (
	"errors"
	"time"
)

var errLinuxOnly = errors.New("--pid works on Linux only")

// Process would read what the system knows of the server under load; only Linux tells in the way needed here.
type Process struct{}

func OpenProcess(int) (*Process, error)      { return nil, errLinuxOnly }
func (*Process) CPU() (time.Duration, error) { return 0, errLinuxOnly }
func (*Process) RSS() (int64, error)         { return 0, errLinuxOnly }
func (*Process) Descriptors() (int, error)   { return 0, errLinuxOnly }
func DescriptorLimit() (int, error)          { return 1 << 30, nil }
