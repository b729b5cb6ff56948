//go:build !linux

package bench

import "runtime"

func machineModel() string  { return runtime.GOARCH }
func machineMemory() string { return "unknown memory" }
func machineKernel() string { return runtime.GOOS }
