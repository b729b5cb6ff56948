package redislink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// sentinels are asked where the master is.
type sentinels struct {
	topology *topology

	// mu guards the following, and is held while one is asked.
	mu    sync.Mutex
	hosts []string // the one that has answered last comes first
	wire  *wire    // to the first; nil: none
}

// master returns the address of the master: what the first Sentinel says that answers.
func (s *sentinels) master(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, host := range slices.Clone(s.hosts) {
		addr, err := s.askLocked(ctx, host)
		if err == nil {
			s.topology.masters.Store(&[]string{addr})
			return addr, nil
		}
		errs = append(errs, err)
		s.closeLocked()
		s.hosts = append(s.hosts[1:], host)
	}
	return "", errors.Join(errs...)
}

// last returns what they have said last. It asks where they have said nothing yet.
func (s *sentinels) last(ctx context.Context) (string, error) {
	if said := s.topology.masters.Load(); said != nil {
		return (*said)[0], nil
	}
	return s.master(ctx)
}

// askLocked asks the first of the hosts.
func (s *sentinels) askLocked(ctx context.Context, host string) (string, error) {
	t := s.topology
	if s.wire == nil {
		o := t.options(host)
		o.Username, o.Password, o.DB = t.address.sentinelUser, t.address.sentinelPassword, 0
		w, err := t.connect(ctx, o)
		if err != nil {
			return "", fmt.Errorf("the Sentinel at %s: %s", host, explain(err))
		}
		s.wire = w
	}
	reply, err := do(ctx, s.wire.client, "sentinel", "get-master-addr-by-name", t.address.master).StringSlice()
	switch {
	case errors.Is(err, goredis.Nil):
		return "", fmt.Errorf("the Sentinel at %s knows no master %q", host, t.address.master)
	case err != nil:
		return "", fmt.Errorf("the Sentinel at %s: %s", host, explain(err))
	case len(reply) != 2:
		return "", fmt.Errorf("the Sentinel at %s gives an address of %d parts", host, len(reply))
	}
	return net.JoinHostPort(reply[0], reply[1]), nil
}

func (s *sentinels) closeLocked() {
	if s.wire != nil {
		s.wire.close()
		s.wire = nil
	}
}

func (s *sentinels) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked()
}

// watch asks the Sentinels again and again, until the link ends, and tells changed. A master that the network has cut off
// from the others goes on as if nothing had happened, until they can tell it; so a link that waits to be told stays with
// it.
func (s *sentinels) watch(beat time.Duration, changed func()) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-s.topology.ctx.Done():
			return
		case <-tick.C:
		}
		before := s.topology.masters.Load()
		// Sentinels that do not answer say nothing: the master is there all the same.
		if master, err := s.master(s.topology.ctx); err == nil && before != nil && (*before)[0] != master {
			changed()
		}
	}
}
