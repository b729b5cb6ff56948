package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process reads what the system knows of the server under load.
type Process struct{ pid int }

// OpenProcess checks that the process exists.
func OpenProcess(pid int) (*Process, error) {
	p := &Process{pid: pid}
	if _, err := p.CPU(); err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return p, nil
}

// CPU returns the user and system time of all threads, also of those that ended. The process's clock counts in
// nanoseconds; /proc/N/stat, where that clock cannot be read, in hundredths of a second.
func (p *Process) CPU() (time.Duration, error) {
	const cpuClockSched = 2 // of the whole process, clock_getcpuclockid(3)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid<<3|cpuClockSched), &ts); err == nil {
		return time.Duration(ts.Nano()), nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, err
	}
	return parseStat(stat)
}

// parseStat returns utime and stime of /proc/N/stat, proc(5).
func parseStat(stat []byte) (time.Duration, error) {
	const ticksPerSecond = 100             // USER_HZ, the same on every Linux
	name := bytes.LastIndexByte(stat, ')') // the name before may hold brackets
	fields := strings.Fields(string(stat[name+1:]))
	if name < 0 || len(fields) < 13 {
		return 0, errors.New("unreadable stat file")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}

// RSS returns the resident memory in bytes.
func (p *Process) RSS() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmRSS:"))
	kb, _, _ := bytes.Cut(rest, []byte(" kB"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(kb)), 10, 64)
	if !ok || err != nil {
		return 0, errors.New("no VmRSS in the status file")
	}
	return n << 10, nil
}

// Descriptors returns how many files and sockets the process holds open.
func (p *Process) Descriptors() (int, error) {
	dir, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	return len(dir), err
}

// DescriptorLimit returns how many descriptors this process may open. The Go runtime has raised it to the hard limit.
func DescriptorLimit() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(limit.Cur, 1<<30)), nil
}
