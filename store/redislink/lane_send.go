package redislink

import (
	"errors"
	"net"
	"time"
)

// chunk is how many channels one command subscribes to: so that the answers to very many do not have to be held back by
// Redis.
const chunk = 256

// send is the sending goroutine.
func (n *lane) send(w *wire, f *feed) {
	l := n.s.link
	beat := time.NewTicker(l.options.Beat)
	defer beat.Stop()
	answer := time.NewTimer(0)
	answer.Stop()
	defer answer.Stop()
	var before uint64
	for {
		var err error
		select {
		case <-n.done:
			return
		case <-n.wake:
			err = n.flush(f)
		case <-beat.C:
			if err = l.topology.check(w.addr); err != nil {
				break
			}
			before = n.heard.Load()
			if err = f.command("ping"); err == nil {
				answer.Reset(l.options.Timeout)
			}
		case <-answer.C:
			if n.heard.Load() == before && !n.busy.Load() {
				err = errNoAnswer
			}
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) { // otherwise the receiving goroutine has ended, and knows why
				n.cause.CompareAndSwap(nil, &err)
			}
			w.cut()
		}
	}
}

// flush writes what has changed.
func (n *lane) flush(f *feed) error {
	var todo [kinds][2][]*entry
	n.s.mu.Lock()
	for _, e := range n.dirty {
		switch {
		case e.lane != n:
		case e.wanted && e.stage == absent:
			e.stage = subscribing
			todo[e.kind][1] = append(todo[e.kind][1], e)
		case !e.wanted && e.stage == subscribed:
			e.stage = unsubscribing
			todo[e.kind][0] = append(todo[e.kind][0], e)
		case !e.wanted && e.stage == absent:
			n.s.forgetLocked(e)
		}
	}
	n.dirty = nil
	n.s.mu.Unlock()
	for k := range todo {
		for on, entries := range todo[k] {
			if err := n.command(f, Kind(k), on == 1, entries); err != nil {
				return err
			}
		}
	}
	return nil
}

// command writes the commands for entries of one kind.
func (n *lane) command(f *feed, k Kind, on bool, entries []*entry) error {
	most := chunk
	if n.node != "" {
		most = 1 // a cluster wants all channels of a command to be of one slot
	}
	for len(entries) > 0 {
		some := entries[:min(most, len(entries))]
		entries = entries[len(some):]
		b := batch{kind: k, on: on, entries: some}
		args := make([]string, 1, 1+len(some))
		args[0] = b.verb()
		for _, e := range some {
			args = append(args, e.name)
		}
		n.s.mu.Lock()
		n.sent = append(n.sent, b)
		n.s.mu.Unlock()
		if err := f.command(args...); err != nil {
			return err
		}
	}
	return nil
}
