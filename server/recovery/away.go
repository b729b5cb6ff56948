package recovery

import (
	"container/list"
	"slices"
	"time"
)

// Ended says why a session that was away has ended.
type Ended string

const (
	EndedTime    Ended = "time"    // it was away for too long
	EndedBytes   Ended = "bytes"   // memory was short
	EndedAddress Ended = "address" // its address has too many connections
	EndedClosed  Ended = "closed"  // the server ends
	EndedMoved   Ended = "moved"   // another node has taken the client over
)

// absence is a session's time away.
type absence struct {
	element *list.Element // in [Store.away]; nil: it is not away
	until   time.Time
	from    string // the client's address
	kept    int    // bytes that others keep for it meanwhile
	ended   func(Ended)
	closed  bool
}

// end is what is to be called without a lock.
type end struct {
	call   func(Ended)
	reason Ended
}

func tell(ends []end) {
	for _, e := range ends {
		e.call(e.reason)
	}
}

// Away begins a session's time away, in which others keep so many bytes for it. ended is called once where it is over before Back or Close, without a lock and never by
// Away itself. It reports false where sessions are not kept any more.
func (s *Session) Away(address string, kept int, ended func(Ended)) bool {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed || s.closed {
		return false
	}
	s.element = st.away.PushBack(s)
	s.until, s.from, s.kept, s.ended = time.Now().Add(st.cfg.Time), address, kept, ended
	st.bytes += int64(kept)
	if st.cfg.PerAddress > 0 {
		st.from[address] = append(st.from[address], s)
	}
	st.armLocked()
	return true
}

// Back ends a session's time away, if it is away, and reports whether the session is there still.
func (s *Session) Back() bool {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.closed {
		return false
	}
	s.store.backLocked(s)
	return true
}

// Moved ends a session that goes on at another node.
func (s *Session) Moved() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if !s.closed {
		s.store.ended[string(EndedMoved)]++
	}
	s.store.backLocked(s)
	s.store.forgetLocked(s)
}

// Close ends a session.
func (s *Session) Close() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.backLocked(s)
	s.store.forgetLocked(s)
}

func (s *Store) backLocked(session *Session) {
	if session.element == nil {
		return
	}
	s.away.Remove(session.element)
	session.element, session.ended = nil, nil
	s.bytes -= int64(session.kept)
	if s.cfg.PerAddress > 0 {
		rest := slices.DeleteFunc(s.from[session.from], func(o *Session) bool { return o == session })
		if s.from[session.from] = rest; len(rest) == 0 {
			delete(s.from, session.from)
		}
	}
}

func (s *Store) forgetLocked(session *Session) {
	if session.closed {
		return
	}
	session.closed = true
	delete(s.sessions, session.key)
	s.bytes -= session.size.Load()
}

// endLocked ends a session that is away.
func (s *Store) endLocked(session *Session, reason Ended) end {
	e := end{session.ended, reason}
	s.ended[string(reason)]++
	s.backLocked(session)
	s.forgetLocked(session)
	return e
}

// Crowd tells how many connections an address has: the sessions away that are too many beside them end, from the oldest.
func (s *Store) Crowd(address string, connections int) {
	if s.cfg.PerAddress <= 0 {
		return
	}
	s.mu.Lock()
	var ended []end
	for from := s.from[address]; len(from) > 0 && connections+len(from) > s.cfg.PerAddress; from = s.from[address] {
		ended = append(ended, s.endLocked(from[0], EndedAddress))
	}
	s.mu.Unlock()
	tell(ended)
}
