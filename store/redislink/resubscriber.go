package redislink

import (
	"context"
	"time"
)

// resubscribe is the goroutine of a subscriber that sees to it that every subscription has a connection, and that there are
// the connections it takes.
func (s *Subscriber) resubscribe() {
	for {
		pause := s.place()
		timer := time.NewTimer(pause)
		select {
		case <-s.link.ctx.Done():
			timer.Stop()
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

const (
	// idle is how long resubscribe sleeps where nothing is to be tried again: somebody wakes it.
	idle = time.Hour
	// maxSubscriptionMoves is how often one channel may move, movePause apart, before that is a reason to be down.
	maxSubscriptionMoves = 50
)

// place gives loose subscriptions to connections, and returns when it wants to be called again at the latest.
func (s *Subscriber) place() time.Duration {
	s.mu.Lock()
	rest := time.Until(s.placeAt)
	if s.failing { // what has a connection already needs no retry
		rest = time.Until(s.retryAt)
	}
	if rest > 0 {
		s.mu.Unlock()
		return rest
	}
	loose, from, remap := s.loose, s.movedFrom, s.remap
	s.loose, s.movedFrom, s.remap = nil, "", false
	if s.moving {
		s.moving, s.placeAt = false, time.Now().Add(movePause)
	}
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.link.ctx, 2*s.link.options.Timeout)
	defer cancel()
	nodes, err := s.nodes(ctx, loose, from, remap)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.loose = append(s.loose, loose...)
		s.failLocked(err, 0)
		return time.Until(s.retryAt)
	}
	if s.needsMainLocked() {
		s.connLocked("")
	}
	for i, e := range loose {
		switch {
		case e.conn != nil: // it was placed meanwhile
		case e.wanted:
			s.connLocked(nodes[i]).adoptLocked(e)
		default:
			s.forgetLocked(e)
		}
	}
	s.reportLocked(nil)
	return idle
}

// nodes returns for each subscription the node it belongs to. Only those of Sharded have one, and only in a cluster. from is
// a node that has told that it has lost some, "" for none; remap has the cluster asked anew.
func (s *Subscriber) nodes(ctx context.Context, list []*subscription, from string, remap bool) ([]string, error) {
	nodes := make([]string, len(list))
	m := s.link.topology.cluster
	if m == nil {
		return nodes, nil
	}
	if from != "" {
		remap = m.reloadFrom(ctx, from) != nil
	}
	if remap {
		if err := m.reload(ctx); err != nil {
			return nil, err
		}
	}
	for i, e := range list {
		if e.kind != Sharded {
			continue
		}
		var err error
		if nodes[i], err = m.owner(ctx, slotOf(e.name)); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// connLocked returns the connection to a node, and starts it where there is none.
func (s *Subscriber) connLocked(node string) *subscriptionConn {
	if n := s.conns[node]; n != nil {
		return n
	}
	n := newSubscriptionConn(s, node)
	s.conns[node] = n
	s.link.running.Go(n.run) // awaited by Close
	return n
}

// hurry has it try again at once, since Redis has just been there for somebody else.
func (s *Subscriber) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retryAt = time.Time{}
	s.wakeLocked()
}

// failLocked notes that something did not work, which is tried again after a while: at once where it has worked for some time.
func (s *Subscriber) failLocked(err error, worked time.Duration) {
	s.failing = true
	s.retryAt = time.Now().Add(s.again.after(worked))
	for k := range s.subscriptions {
		for _, e := range s.subscriptions[k] {
			if e.conn != nil || !e.wanted {
				continue
			}
			s.oweLocked(e)
			for _, w := range e.waits {
				w.fail(ErrAway)
			}
			e.waits = nil
		}
	}
	s.reportLocked(err)
	s.wakeLocked()
}

// endLocked takes a connection out that has ended, and makes its subscriptions loose.
func (s *Subscriber) endLocked(n *subscriptionConn, err error) {
	if s.conns[n.node] == n {
		delete(s.conns, n.node)
	}
	if s.link.ctx.Err() != nil {
		return
	}
	wanted := len(s.loose)
	for k := range s.subscriptions {
		for _, e := range s.subscriptions[k] {
			if e.conn != n {
				continue
			}
			e.conn, e.stage = nil, absent
			if e.once && s.link.topology.address.kind != cluster {
				s.unwantLocked(e, ErrAway)
			}
			if e.wanted {
				s.loose = append(s.loose, e)
			} else {
				s.forgetLocked(e)
			}
		}
	}
	if s.link.topology.address.kind == cluster && len(s.loose) == wanted {
		return // nothing was received by it any more
	}
	s.remap = true
	s.link.doubt() // what has ended one connection may have ended the other
	s.failLocked(err, n.lived())
}

// freeLocked takes a subscription from its connection, and reports whether it is to have another.
func (s *Subscriber) freeLocked(e *subscription) bool {
	e.conn, e.stage = nil, absent
	if !e.wanted {
		s.forgetLocked(e)
		return false
	}
	s.loose = append(s.loose, e)
	return true
}

// moveLocked has a subscription made anew at once, as another node of the cluster has its channel now. Redis is there all
// the time, so the link stays up, unless the nodes do not come to agree.
func (s *Subscriber) moveLocked(e *subscription) {
	if !s.freeLocked(e) {
		return
	}
	if e.moves++; e.moves > maxSubscriptionMoves {
		e.moves = 0
		s.failLocked(errMoved, 0)
		return
	}
	s.moving = true
	s.wakeLocked()
}
