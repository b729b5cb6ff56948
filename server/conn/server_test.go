package conn

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// pausedServer returns a server with nothing but what endAll looks at, and connections that note when they were closed.
func pausedServer(n int) (s *Server, closed func() []time.Duration) {
	s = &Server{conns: make(map[*Conn]struct{}), empty: make(chan struct{})}
	start := time.Now()
	times := make([]time.Duration, n)
	for i := range n {
		s.conns[&Conn{owner: closeNoter{close: func() {
			if times[i] == 0 {
				times[i] = time.Since(start) + 1
			}
		}}}] = struct{}{}
	}
	return s, func() []time.Duration { return times }
}

// closeNoter is an owner of which only Close is called.
type closeNoter struct {
	Owner
	close func()
}

func (c closeNoter) Close(Reason) { c.close() }

func TestShutdownInWaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, closed := pausedServer(200)
		s.endAll(t.Context(), time.Second)
		waves := make(map[time.Duration]int)
		for _, at := range closed() {
			if at == 0 || at > 2*time.Second {
				t.Fatalf("a connection was told after %v, want within 2s", at)
			}
			waves[at]++
		}
		if len(waves) != 10 {
			t.Errorf("%d waves, want 10", len(waves))
		}
		for at, n := range waves {
			if n != 20 {
				t.Errorf("%d connections were told at %v, want 20", n, at)
			}
		}
	})
}

func TestShutdownInWavesCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, closed := pausedServer(200)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		s.endAll(ctx, time.Minute)
		for _, at := range closed() {
			if at == 0 || at > 301*time.Millisecond {
				t.Fatalf("a connection was told after %v, want by the deadline", at)
			}
		}
	})
}

func TestShutdownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, closed := pausedServer(50)
		s.endAll(t.Context(), 0)
		for _, at := range closed() {
			if at != 1 {
				t.Fatalf("a connection was told after %v, want at once", at)
			}
		}
	})
}
