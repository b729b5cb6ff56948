package redislink

import (
	"context"
	"time"
)

// keep is the goroutine of a subscriber that sees to it that every entry is in a lane, and that there are the lanes it
// takes.
func (s *Subscriber) keep() {
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

// idle is how long the keeper sleeps where nothing is to be tried again: somebody wakes it.
const idle = time.Hour

// place puts loose entries into lanes, and returns when it wants to be called again at the latest.
func (s *Subscriber) place() time.Duration {
	s.mu.Lock()
	if rest := time.Until(s.retryAt); s.failing && rest > 0 {
		// Only what has a lane already can be placed now, and that is for the retry to find out.
		s.mu.Unlock()
		return rest
	}
	loose := s.loose
	s.loose = nil
	moved := s.moved
	s.moved = false
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.link.ctx, 2*s.link.options.Timeout)
	defer cancel()
	if c := s.link.topology.cluster(); c != nil && moved {
		c.ReloadState(ctx)
	}
	nodes, err := s.nodes(ctx, loose)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.loose = append(s.loose, loose...)
		s.failLocked(err)
		return time.Until(s.retryAt)
	}
	if s.needsMainLocked() {
		s.laneLocked("")
	}
	for i, e := range loose {
		switch {
		case e.lane != nil: // it was placed meanwhile
		case e.wanted:
			s.laneLocked(nodes[i]).adoptLocked(e)
		default:
			s.forgetLocked(e)
		}
	}
	s.reportLocked(nil)
	return idle
}

// nodes returns for each entry the node it is to be subscribed at. Only those of Sharded have one, and only in a cluster.
func (s *Subscriber) nodes(ctx context.Context, entries []*entry) ([]string, error) {
	nodes := make([]string, len(entries))
	c := s.link.topology.cluster()
	if c == nil {
		return nodes, nil
	}
	for i, e := range entries {
		if e.kind != Sharded {
			continue
		}
		node, err := c.MasterForKey(ctx, e.name)
		if err != nil {
			return nil, err
		}
		nodes[i] = node.Options().Addr
	}
	return nodes, nil
}

// laneLocked returns the lane of a node, and starts it where there is none.
func (s *Subscriber) laneLocked(node string) *lane {
	if n := s.lanes[node]; n != nil {
		return n
	}
	n := newLane(s, node)
	s.lanes[node] = n
	s.link.running.Go(n.run) // awaited by Close
	return n
}

// hurry has the keeper try again at once, since Redis has just been there for somebody else.
func (s *Subscriber) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retryAt = time.Time{}
	s.wakeLocked()
}

// failLocked notes that something did not work, which is tried again after a while.
func (s *Subscriber) failLocked(err error) {
	s.failing = true
	s.retryAt = time.Now().Add(s.wait.next())
	for k := range s.entries {
		for _, e := range s.entries[k] {
			if e.lane != nil || !e.wanted {
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

// endLocked takes a lane out whose connection has ended, and makes its entries loose.
func (s *Subscriber) endLocked(n *lane, err error) {
	if s.lanes[n.node] == n {
		delete(s.lanes, n.node)
	}
	if s.link.ctx.Err() != nil {
		return
	}
	if n.lived() > steady {
		s.wait = backoff{}
	}
	wanted := len(s.loose)
	for k := range s.entries {
		for _, e := range s.entries[k] {
			if e.lane != n {
				continue
			}
			e.lane, e.stage = nil, absent
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
	s.moved = true
	s.link.doubt() // what has ended one connection may have ended the other
	s.failLocked(err)
}

// freeLocked takes one entry out of its lane, as the cluster has another node for it.
func (s *Subscriber) freeLocked(e *entry) {
	e.lane, e.stage = nil, absent
	if !e.wanted {
		s.forgetLocked(e)
		return
	}
	s.oweLocked(e)
	s.loose = append(s.loose, e)
	s.moved = true
}
