package bench

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// machineModel returns the processor's name.
func machineModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	_, rest, ok := strings.Cut(string(info), "model name")
	_, name, found := strings.Cut(firstLine(rest), ": ")
	if !ok || !found {
		return "unknown processor"
	}
	return name
}

// machineMemory returns how much memory there is.
func machineMemory() string {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%d GB memory", uint64(info.Totalram)*uint64(info.Unit)>>30)
}

// machineKernel returns the system's name and version.
func machineKernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "Linux"
	}
	return "Linux " + unix.ByteSliceToString(name.Release[:])
}
