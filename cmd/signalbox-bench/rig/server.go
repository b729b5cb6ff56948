package rig

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
)

// Spec tells how to start a server. It gets its port in the environment variable PORT and listens on loopback.
type Spec struct {
	Name    string
	Command []string
	Env     []string // on top of this process's environment
	Dir     string
	Only    string // comma list of the scenarios it can serve; empty: all but those of the doors
	As      string // behind the names of scenarios in the results: what is special about this server
}

// Server is a running server process.
type Server struct {
	Name   string
	URL    string
	cmd    *exec.Cmd
	Output *tail
	exited chan struct{} // closed when the process has ended
}

// Start starts a server, pinned to a processor unless cpu is negative, and waits until a client can connect.
func Start(ctx context.Context, spec Spec, cpu int, stderr io.Writer) (*Server, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s, err := launch(spec, port, cpu)
	if err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.Stop(5 * time.Second)
		return nil, fmt.Errorf("start %s: %w\n%s", spec.Name, err, s.Output)
	}
	fmt.Fprintf(stderr, "bench: %s is up, process %d\n", spec.Name, s.PID())
	return s, nil
}

func launch(spec Spec, port string, cpu int) (*Server, error) {
	cmd := exec.Command(spec.Command[0], spec.Command[1:]...)
	cmd.Env = append(append(os.Environ(), "PORT="+port, "HOST=127.0.0.1"), spec.Env...)
	cmd.Dir = spec.Dir
	return Launch(spec.Name, "http://127.0.0.1:"+port, cmd, cpu)
}

// Replace waits until a server has ended and starts another in its place at once, whether clients can connect yet or not. It
// returns nil at the end of ctx.
func Replace(ctx context.Context, spec Spec, ended *Server, cpu int) (*Server, error) {
	select {
	case <-ctx.Done():
		return nil, nil
	case <-ended.exited:
	}
	return launch(spec, ended.URL[strings.LastIndexByte(ended.URL, ':')+1:], cpu)
}

// Launch starts a process, pinned to a processor unless cpu is negative. It is awaited by stop.
func Launch(name, url string, cmd *exec.Cmd, cpu int) (*Server, error) {
	s := &Server{Name: name, URL: url, cmd: cmd, Output: &tail{}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.Output, s.Output
	if err := machine.StartPinned(cmd, cpu); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended shows in its output
		close(s.exited)
	}()
	return s, nil
}

// awaitReady connects until it works.
func (s *Server) awaitReady(ctx context.Context) error {
	t, err := client.NewTarget(s.URL, "/socket.io/")
	if err != nil {
		return err
	}
	return s.Await(ctx, func(ctx context.Context) error {
		c, err := client.Dial(ctx, t, client.StartClock(), client.Options{}, client.Callbacks{})
		if err == nil {
			c.Leave()
		}
		return err
	})
}

// Await tries until it works.
func (s *Server) Await(ctx context.Context, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if s.Dead() {
			return fmt.Errorf("it ended at once")
		}
		if measure.Pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("not ready after 20 s: %w", err)
		}
	}
}

func (s *Server) PID() int { return s.cmd.Process.Pid }

// Flags returns the flags of a load on this server.
func (s *Server) Flags() []string { return []string{"--url", s.URL, "--pid", strconv.Itoa(s.PID())} }

// Dead reports whether the process has ended.
func (s *Server) Dead() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// Stop asks the server to end, and ends it by force after grace.
func (s *Server) Stop(grace time.Duration) {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return
	case <-time.After(grace):
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// FreePort finds a port nobody listens on.
func FreePort() (string, error) {
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
