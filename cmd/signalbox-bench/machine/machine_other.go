//go:build !linux

package machine

import (
	"runtime"
	"time"
)

func Model() string  { return runtime.GOARCH }
func Memory() string { return "unknown memory" }
func Kernel() string { return runtime.GOOS }

func busyTimes() (busy, stolen time.Duration, ok bool) { return 0, 0, false }
func ownTimes() time.Duration                          { return 0 }
