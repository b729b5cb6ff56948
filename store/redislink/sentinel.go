package redislink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// sentinels are asked where the master is.
type sentinels struct {
	topology *topology

	// mu guards the following, and is held while one is asked.
	mu    sync.Mutex
	hosts []string // the one that has answered last comes first
	conn  *conn    // to the first; nil: none
}

// master returns the address of the master: what the first Sentinel says that answers.
func (s *sentinels) master(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, host := range slices.Clone(s.hosts) {
		addr, err := s.askLocked(ctx, host)
		if err == nil {
			s.topology.nodes.Store(&[]string{addr})
			return addr, nil
		}
		errs = append(errs, fmt.Errorf("the Sentinel at %s: %s", host, explain(err)))
		s.closeLocked()
		s.hosts = append(s.hosts[1:], host)
	}
	return "", errors.Join(errs...)
}

// askLocked asks the first of the hosts.
func (s *sentinels) askLocked(ctx context.Context, host string) (string, error) {
	t := s.topology
	if s.conn == nil {
		c, err := t.connect(ctx, host, login{user: t.address.sentinelUser, password: t.address.sentinelPassword})
		if err != nil {
			return "", err
		}
		s.conn = c
	}
	replies, err := s.conn.ask(t.timeout, []any{"sentinel", "get-master-addr-by-name", t.address.master})
	if err != nil {
		return "", err
	}
	switch reply := replies[0].(type) {
	case nil:
		return "", fmt.Errorf("it knows no master %q", t.address.master)
	case Error:
		return "", reply
	case []any:
		if len(reply) == 2 {
			host, _ := reply[0].(string)
			port, _ := reply[1].(string)
			return net.JoinHostPort(host, port), nil
		}
	}
	return "", errProtocol
}

func (s *sentinels) closeLocked() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
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
		before := s.topology.nodes.Load()
		// Sentinels that do not answer say nothing: the master is there all the same.
		if master, err := s.master(s.topology.ctx); err == nil && before != nil && (*before)[0] != master {
			changed()
		}
	}
}
