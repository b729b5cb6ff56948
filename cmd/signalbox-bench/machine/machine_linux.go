package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Model returns the processor's name.
func Model() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	_, rest, ok := strings.Cut(string(info), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	_, name, found := strings.Cut(line, ": ")
	if !ok || !found {
		return "unknown processor"
	}
	return name
}

// Memory returns how much memory there is.
func Memory() string {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%d GB memory", uint64(info.Totalram)*uint64(info.Unit)>>30)
}

// Kernel returns the system's name and version.
func Kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "Linux"
	}
	return "Linux " + unix.ByteSliceToString(name.Release[:])
}

// busyTimes returns what all processors have spent working since the machine started, and what its host has taken
// from them; ok is false where that cannot be read.
func busyTimes() (busy, stolen time.Duration, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	return parseBusyTimes(line)
}

// parseBusyTimes reads the line "cpu" of /proc/stat, proc(5), in hundredths of a second.
func parseBusyTimes(line string) (busy, stolen time.Duration, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, false
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		switch spent := time.Duration(n) * 10 * time.Millisecond; i {
		case 3, 4: // idle, also while waiting for a disk
		case 7:
			stolen = spent
		default:
			busy += spent
		}
	}
	return busy, stolen, true
}

// ownTimes returns what this process and those it started and that have ended have spent.
func ownTimes() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var use unix.Rusage
		if unix.Getrusage(who, &use) == nil {
			sum += time.Duration(use.Utime.Nano() + use.Stime.Nano())
		}
	}
	return sum
}
