package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"signalbox/config"
)

// Open opens every address, in their order. On an error nothing is open.
func Open(cfg config.Config, addresses config.Addresses) ([]net.Listener, error) {
	var open []net.Listener
	for _, a := range addresses {
		more, err := openOne(a, cfg)
		if err != nil {
			Close(open)
			return nil, err
		}
		open = append(open, more...)
	}
	return open, nil
}

// Close closes listeners.
func Close(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // what could be done about it
	}
}

func openOne(a config.Address, cfg config.Config) ([]net.Listener, error) {
	switch a.Network {
	case config.Systemd:
		return fromSystemd()
	case "unix":
		l, err := openUnix(a.Host, fs.FileMode(cfg.ListenSocketMode))
		if err != nil {
			return nil, fmt.Errorf("LISTEN=%s: %w", a, err)
		}
		return []net.Listener{l}, nil
	}
	l, err := openTCP(a)
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// withoutProbes leaves TCP's own keep-alive off, as Node does: Go's asks each client every 15 s. Whoever is silent is found
// out by heartbeats and time-outs, whatever is spoken. Four system calls and a timer less are 7 % of a connect's CPU.
var withoutProbes = net.ListenConfig{KeepAlive: -1}

// openTCP opens a port, and explains what to do where that fails.
func openTCP(a config.Address) (net.Listener, error) {
	l, err := withoutProbes.Listen(context.Background(), "tcp", net.JoinHostPort(a.Host, strconv.Itoa(a.Port)))
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use: stop the program that listens there, or set PORT to another one, such as PORT=%d: %w", a.Port, a.Port%65535+1, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %d is not allowed for this user: set PORT to one above 1023: %w", a.Port, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("HOST=%s is no address of this machine: leave HOST empty to listen on all of them: %w", a.Host, err)
	default:
		return nil, fmt.Errorf("listen: %w", err)
	}
}

// openUnix opens a unix socket. A file that a process has left which ended without closing it is taken over.
func openUnix(path string, mode fs.FileMode) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && deserted(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// deserted reports whether path is a socket on which nobody listens.
func deserted(path string) bool {
	stat, err := os.Lstat(path)
	if err != nil || stat.Mode().Type() != fs.ModeSocket {
		return false
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = nc.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// firstDescriptor is the first that systemd passes on.
const firstDescriptor = 3

// fromSystemd returns the sockets that the service manager has opened for this process.
//
// Rule: [sd_listen_fds].
//
// [sd_listen_fds]: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
func fromSystemd() ([]net.Listener, error) {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if pid != os.Getpid() || n < 1 {
		return nil, errors.New("LISTEN=systemd: no socket was passed on; start the unit by its .socket unit")
	}
	var open []net.Listener
	for fd := firstDescriptor; fd < firstDescriptor+n; fd++ {
		file := os.NewFile(uintptr(fd), "LISTEN_FD_"+strconv.Itoa(fd))
		l, err := net.FileListener(file) // a copy, which children do not get
		_ = file.Close()
		if err != nil {
			Close(open)
			return nil, fmt.Errorf("LISTEN=systemd: descriptor %d is no listening socket: %w", fd, err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // the file is the service manager's
		}
		open = append(open, l)
	}
	return open, nil
}
