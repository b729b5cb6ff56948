//go:build !linux

package bench

import (
	"runtime"
	"time"
)

func machineModel() string  { return runtime.GOARCH }
func machineMemory() string { return "unknown memory" }
func machineKernel() string { return runtime.GOOS }

func machineTimes() (busy, stolen time.Duration, ok bool) { return 0, 0, false }
func ownTimes() time.Duration                             { return 0 }
