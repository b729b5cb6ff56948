package soak

import (
	"fmt"
	"time"
)

// The rules of messages. A session is one connection from the moment everything is for it until something is done
// to it. One that comes back as who it was, with --recovery, is as if nothing had been done to it, but that what it
// said meanwhile may be lost: it is one session, to which everything is delivered once and in order.
//
//   - Nobody gets a message twice, or two of one connection in another order than they were sent: told by
//     session.event.
//   - A connection to which nothing is done does not end, and what is asked on it is answered.
//   - A counted message (the broker's, answered without partial) reaches every session, whichever faults there were
//     elsewhere, and the number is that of those who got it; but for those on whose way it was when their
//     connection was cut. A server that stops sends what is queued: such a session is not among these.
//   - Other messages that were answered, or sent on a connection that lived on, reach every session at the same
//     server, and at other servers those of messages without partial, but when Redis could not be reached from
//     either server, or the server of the sender was killed within a second.
const (
	flight    = 3 * time.Second                            // how long a message may be under way
	halfOpen  = pingInterval + pingTimeout + 5*time.Second // how long a server may take a connection for open that is not
	moment    = time.Second
	backAfter = 4 * time.Second // how long it takes until servers have come back to Redis
)

// judge looks at all messages of the round.
func (w *world) judge() {
	receivers := make(map[kind]map[string][]*session)
	for _, a := range w.actors {
		a.mu.Lock()
		for _, s := range a.sessions {
			if receivers[a.kind] == nil {
				receivers[a.kind] = make(map[string][]*session)
			}
			receivers[a.kind][a.place] = append(receivers[a.kind][a.place], s)
		}
		a.mu.Unlock()
	}
	for _, a := range w.actors {
		a.mu.Lock()
		list := a.sessions
		a.mu.Unlock()
		for _, s := range list {
			s.mu.Lock()
			sent, faults := s.sent, s.faults
			s.sent, s.faults = nil, nil
			s.mu.Unlock()
			for _, f := range faults {
				w.blame("%s: %s", s, f)
			}
			for _, m := range sent {
				w.judgeMessage(m, receivers)
			}
		}
	}
	for _, a := range w.actors {
		a.forget()
	}
}

// forget drops what is judged: sessions that are over, at the servers too, and what the others have seen.
func (a *actor) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	var kept []*session
	for _, s := range a.sessions {
		s.mu.Lock()
		if s.ended.IsZero() || s.fault.Add(halfOpen).After(time.Now()) {
			kept = append(kept, s)
			for _, h := range s.heard {
				clear(h.seen)
			}
		}
		s.mu.Unlock()
	}
	a.sessions = kept
}

// whose returns the sessions that a message is for.
func whose(m *message, all map[kind]map[string][]*session) []*session {
	switch m.kind {
	case room, text:
		var list []*session
		for _, k := range []kind{room, text, watch} {
			for _, s := range all[k][m.to] {
				if m.kind == text && s == m.from {
					continue // /ws does not echo
				}
				list = append(list, s)
			}
		}
		return list
	case tap:
		return all[events][""]
	}
	return all[m.kind][m.to]
}

// view is what of a session its judge needs.
type view struct {
	dialed, since, fault time.Time
	lossy                bool
}

func (s *session) view() view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return view{s.dialed, s.since, s.fault, s.lossy}
}

// judgeMessage holds one message against the rules.
func (w *world) judgeMessage(m *message, all map[kind]map[string][]*session) {
	w.messages++
	from := m.from.view()
	answered := !m.acked.IsZero()
	until := m.sent
	if answered {
		until = m.acked
	}
	if m.partial {
		w.partial++
	}
	switch {
	case m.kind.answers() && !answered && from.fault.IsZero() && !m.from.hitSince(m.sent):
		w.blame("never answered: %s", m)
	case answered && !m.ok:
		w.refused++
		if !w.troubled(m.node, -1, m.sent, until) {
			w.blame("refused: %s", m)
		}
	}
	got, certain, doubtful := 0, 0, 0
	for _, s := range whose(m, all) {
		v := s.view()
		if s.got(m) {
			got++
		}
		sure := !v.since.IsZero() && v.since.Before(m.sent) && (v.fault.IsZero() || v.fault.After(until.Add(flight)))
		switch {
		case sure:
			certain++
			if !s.got(m) && w.owed(m, s, from) {
				w.blame("lost: %s; for %s", m, s)
			}
		case !s.got(m) && v.lossy && v.dialed.Before(until) && v.fault.Add(halfOpen).After(m.sent):
			doubtful++
		}
	}
	w.deliveries += got
	if m.kind != broker || !m.ok || m.partial {
		return
	}
	if m.counted > got+doubtful {
		w.blame("counted for more than got it: %s; %d got it, %d were cut: %v", m, got, doubtful, whose(m, all))
	}
	if m.counted+m.held < certain {
		w.blame("counted for fewer than were there: %s; %d were there: %v", m, certain, whose(m, all))
	}
}

// owed reports whether a session should have got a message that it did not get.
func (w *world) owed(m *message, to *session, from view) bool {
	together := m.node == to.at() && !to.moved.Load()
	if m.kind.answers() {
		if m.acked.IsZero() || !m.ok {
			return false
		}
		if m.kind == broker {
			return !m.partial || together
		}
	} else if !from.fault.IsZero() && from.fault.Before(m.sent.Add(flight)) || m.from.hitSince(m.sent) {
		return false // it may never have come to the server
	}
	if together {
		return true
	}
	receiver := to.at()
	if to.moved.Load() {
		receiver = anywhere
	}
	killed := from.lossy && from.fault.Before(m.acked.Add(moment)) && !from.fault.IsZero()
	return !m.partial && !killed && !w.troubled(m.node, receiver, m.sent, m.sent.Add(flight))
}

// trouble is a time in which Redis could not be reached from a server.
type trouble struct {
	node     int
	from, to time.Time // to is zero as long as it lasts
}

// anywhere stands for all servers.
const anywhere = -2

// troubled reports whether Redis was away from one of two servers.
func (w *world) troubled(a, b int, from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.troubles {
		over := !t.to.IsZero() && t.to.Add(backAfter).Before(from)
		if (t.node == a || t.node == b || b == anywhere) && t.from.Add(-moment).Before(to) && !over {
			return true
		}
	}
	return false
}

// blame notes what is wrong.
func (w *world) blame(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong++
	if len(w.evidence) < 40 {
		w.evidence = append(w.evidence, fmt.Sprintf("round %d: ", w.round)+fmt.Sprintf(format, args...))
	}
}
