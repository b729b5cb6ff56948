package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// serverSpec tells how to start a server. It gets its port in the environment variable PORT and listens on loopback.
type serverSpec struct {
	name    string
	command []string
	env     []string // on top of this process's environment
	dir     string
	only    string // comma list of the scenarios it can serve; empty: all but those of the doors
	as      string // behind the names of scenarios in the results: what is special about this server
}

// server is a running server process.
type server struct {
	name   string
	url    string
	cmd    *exec.Cmd
	output *tail
	exited chan struct{} // closed when the process has ended
}

// startServer starts a server, pinned to a processor unless cpu is negative, and waits until a client can connect.
func startServer(ctx context.Context, spec serverSpec, cpu int, stderr io.Writer) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(spec.command[0], spec.command[1:]...)
	cmd.Env = append(append(os.Environ(), "PORT="+port, "HOST=127.0.0.1"), spec.env...)
	cmd.Dir = spec.dir
	s, err := launch(spec.name, "http://127.0.0.1:"+port, cmd, cpu)
	if err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.stop(5 * time.Second)
		return nil, fmt.Errorf("start %s: %w\n%s", spec.name, err, s.output)
	}
	fmt.Fprintf(stderr, "bench: %s is up, process %d\n", spec.name, s.pid())
	return s, nil
}

// launch starts a process, pinned to a processor unless cpu is negative. It is awaited by stop.
func launch(name, url string, cmd *exec.Cmd, cpu int) (*server, error) {
	s := &server{name: name, url: url, cmd: cmd, output: &tail{}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	if err := startPinned(cmd, cpu); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended shows in its output
		close(s.exited)
	}()
	return s, nil
}

// awaitReady connects until it works.
func (s *server) awaitReady(ctx context.Context) error {
	t, err := newTarget(s.url, "/socket.io/")
	if err != nil {
		return err
	}
	return s.await(ctx, func(ctx context.Context) error {
		c, err := dial(ctx, t, clock{time.Now()}, dialOptions{}, callbacks{})
		if err == nil {
			c.leave()
		}
		return err
	})
}

// await tries until it works.
func (s *server) await(ctx context.Context, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if s.dead() {
			return fmt.Errorf("it ended at once")
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("not ready after 20 s: %w", err)
		}
	}
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// dead reports whether the process has ended.
func (s *server) dead() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// stop asks the server to end, and ends it by force after grace.
func (s *server) stop(grace time.Duration) {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return
	case <-time.After(grace):
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// freePort finds a port nobody listens on.
func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if closed := ln.Close(); err == nil {
		err = closed
	}
	return port, err
}

// tail keeps the last lines a process wrote.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write keeps the last few kilobytes.
func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*keep {
		t.buf = bytes.Clone(t.buf[len(t.buf)-keep:])
	}
	return len(p), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
