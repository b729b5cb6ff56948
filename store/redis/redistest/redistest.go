// Package redistest gives tests a Redis of their own: a real redis-server where one is in PATH, miniredis elsewhere.
//
// Every server listens on the loopback interface alone, on a port that was free, keeps nothing on disk beyond a directory
// of the test, and is ended by its process id when the test ends, also when the test fails or panics.
package redistest

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// Server is one Redis. Its methods are called from the goroutine of the test.
type Server struct {
	t       testing.TB
	addr    string
	process *process             // nil: miniredis
	mini    *miniredis.Miniredis // nil: a real one
}

// Start starts a Redis and stops it when the test ends. args are further options of redis-server, such as "--requirepass",
// "secret"; a test that gives some is skipped where there is no redis-server. Where there is none, the log says so.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return startReal(t, path, args, nil)
	}
	if len(args) > 0 {
		t.Skip("redis-server is not in PATH: this test needs the options of a real one")
	}
	sayMini(t)
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return &Server{t: t, addr: m.Addr(), mini: m}
}

// NeedReal skips the test where there is no redis-server.
func NeedReal(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not in PATH: this test needs a real one")
	}
}

// Real reports whether this is a real redis-server rather than miniredis.
func (s *Server) Real() bool { return s.mini == nil }

// Addr is host and port of the server. It stays the same over Stop and Start.
func (s *Server) Addr() string { return s.addr }

// URL is the address of the server as REDIS_URL has it, without user and password.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Stop ends the server as kill -9 does: connections break, and what it held is gone. Stopping it twice is harmless.
func (s *Server) Stop() {
	s.t.Helper()
	if s.mini != nil {
		s.mini.Close()
		s.mini.FlushAll()
		return
	}
	s.process.kill()
}

// Start starts the server again after [Server.Stop], empty and on the same port.
func (s *Server) Start() {
	s.t.Helper()
	if s.mini != nil {
		if err := s.mini.Restart(); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	if err := s.process.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Pause stops the process with SIGSTOP: connections stay, nothing answers. It skips the test for miniredis.
func (s *Server) Pause() {
	s.t.Helper()
	s.needProcess().pause(s.t)
}

// Resume lets a paused process go on with SIGCONT.
func (s *Server) Resume() {
	s.t.Helper()
	s.needProcess().resume(s.t)
}

func (s *Server) needProcess() *process {
	s.t.Helper()
	if s.process == nil {
		s.t.Skip("miniredis cannot be paused: this test needs redis-server in PATH")
	}
	return s.process
}

// startReal starts a redis-server on a port that is free, and tries another one when somebody was faster. more are options
// that are to be others at each attempt; nil: none.
func startReal(t testing.TB, path string, args []string, more func() []string) *Server {
	t.Helper()
	for attempt := 0; ; attempt++ {
		port := freePort(t)
		all := append(baseArgs(t.TempDir(), port), args...)
		if more != nil {
			all = append(all, more()...)
		}
		s := &Server{t: t, addr: net.JoinHostPort(host, strconv.Itoa(port))}
		s.process = newProcess(t, path, all, "Ready to accept connections")
		err := s.process.start()
		if err == nil {
			return s
		}
		if attempt == 4 {
			t.Fatal(err)
		}
	}
}

// baseArgs are the options every server has: loopback alone, nothing on disk.
func baseArgs(dir string, port int) []string {
	return []string{
		"--bind", host, "--port", strconv.Itoa(port), "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice", "--logfile", "",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}
}

var miniSaid sync.Once

// sayMini says once per test binary what the tests run on.
func sayMini(t testing.TB) {
	t.Helper()
	miniSaid.Do(func() {
		fmt.Fprintln(t.Output(), "redis-server is not in PATH: the tests run on miniredis, and those that need a real one are skipped")
	})
}
