package redistest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client does not try again: a test wants to see what happened.
func client(t *testing.T, s *Server) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1, ReadTimeout: 200 * time.Millisecond})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestServerStopsAndStartsOnItsPort(t *testing.T) {
	s := Start(t)
	ctx := context.Background()
	if err := client(t, s).Set(ctx, "a", "b", 0).Err(); err != nil {
		t.Fatalf("Set = %v", err)
	}
	addr := s.Addr()
	s.Stop()
	s.Stop()
	if err := client(t, s).Ping(ctx).Err(); err == nil {
		t.Error("a stopped server answers")
	}
	s.Start()
	if s.Addr() != addr {
		t.Errorf("Addr = %s after a restart, want %s", s.Addr(), addr)
	}
	if err := client(t, s).Get(ctx, "a").Err(); !errors.Is(err, goredis.Nil) {
		t.Errorf("Get after a restart = %v, want nothing there", err)
	}
}

func TestServerPauses(t *testing.T) {
	s := Start(t)
	ctx := context.Background()
	c := client(t, s)
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	if err := c.Ping(ctx).Err(); !os.IsTimeout(err) {
		t.Errorf("Ping of a paused server = %v, want a timeout", err)
	}
	s.Resume()
	if err := client(t, s).Ping(ctx).Err(); err != nil {
		t.Errorf("Ping after Resume = %v", err)
	}
}

func TestServerTakesOptions(t *testing.T) {
	s := Start(t, "--requirepass", "secret")
	if err := client(t, s).Ping(context.Background()).Err(); !goredis.IsAuthError(err) {
		t.Errorf("Ping without the password = %v, want NOAUTH", err)
	}
}

// A server that is left paused must end with the test all the same.
func TestCleanupEndsWhatIsPaused(t *testing.T) {
	var s *Server
	t.Run("paused", func(t *testing.T) {
		s = Start(t)
		s.Pause()
	})
	if s.Real() && s.process.alive() {
		t.Error("the server outlived its test")
	}
}

func TestStartSaysWhyItCouldNot(t *testing.T) {
	NeedReal(t)
	p := newProcess(t, "redis-server", []string{"--no-such-option", "1"}, "Ready")
	if err := p.start(); err == nil {
		t.Error("a server with a bad option started")
	} else {
		t.Log(err)
	}
}
