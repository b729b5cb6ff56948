package recovery

import (
	"crypto/subtle"
	"errors"
	"hash/maphash"
	"slices"
	"sync/atomic"

	"signalbox/server/wire"
)

// Why a session cannot go on.
var (
	// ErrUnknown: it has ended, or was never here.
	ErrUnknown = errors.New("unknown")
	// ErrToken: the client's token does not let it in as who it was.
	ErrToken = errors.New("token")
	// ErrPosition: what the client got last is not known here.
	ErrPosition = errors.New("position")
	// ErrTrimmed: something that it missed is not kept any more.
	ErrTrimmed = errors.New("trimmed")
	// ErrTooMuch: it missed more than may be sent at once.
	ErrTooMuch = errors.New("too much")
)

const (
	pidLength = 16 // of its random part
	maxTails  = 8
	// PIDLength is the length of a session's id.
	PIDLength = nodeLength + pidLength
)

// Session is what one client was given, in order. But for Close, Away and Back its methods are called one at a time: its owner
// sees to it.
//
// What each message touches comes first and is together: of many clients none of it is in the processor's cache.
type Session struct {
	latest run
	next   uint64 // how many messages there were
	runs   []run  // before latest
	first  uint64 // how many messages there were before runs

	// Static after Open.
	store *Store
	pid   string
	owner any
	key   uint64
	start uint64 // seq of the latest message when it began

	tails    []tail
	unnoted  bool // there were more tails than are kept
	landings []landing

	size atomic.Int64 // what the session takes

	absence // guarded by Store.mu
}

// run is messages that stand one behind the other in a log.
type run struct {
	log      *Log
	first, n uint64
	last     uint64 // seq of the last one
}

// tail is a text at the end of a message that has no offset, which a client takes for one.
type tail struct {
	hash     uint64
	position uint64 // how many messages there were before it
}

// Open begins a session of a client, with an id that is a secret.
func (s *Store) Open(session *Session, owner any) { s.OpenAs(session, owner, s.node+random(pidLength)) }

// OpenAs is Open for a session that has an id: it was at another node.
func (s *Store) OpenAs(session *Session, owner any, pid string) {
	session.store, session.pid, session.owner = s, pid, owner
	session.key = maphash.String(s.seed, session.pid)
	session.size.Store(sessionBytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	session.start = s.seq
	s.sessions[session.key] = session
	s.bytes += sessionBytes
}

// Find returns the owner of the session with an id, nil where there is none. How long it takes tells nothing about ids.
func (s *Store) Find(pid string) (owner any) {
	key := maphash.String(s.seed, pid)
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[key]
	if session == nil || subtle.ConstantTimeCompare([]byte(session.pid), []byte(pid)) == 0 {
		return nil
	}
	return session.owner
}

// PID returns the session's id.
func (s *Session) PID() string { return s.pid }

// Note adds a message: it is the next that the client is given.
func (s *Session) Note(e *Entry) {
	s.next++
	if r := &s.latest; r.log == e.log && r.first+r.n == e.index {
		r.n++
		r.last = e.seq
		return
	}
	if s.latest.n > 0 {
		if len(s.runs) == cap(s.runs) {
			s.prune()
		}
		s.runs = append(s.runs, s.latest)
	}
	s.latest = run{log: e.log, first: e.index, n: 1, last: e.seq}
}

// all returns runs and the latest.
func (s *Session) all() []run {
	if s.latest.n == 0 {
		return nil
	}
	return append(slices.Clip(s.runs), s.latest)
}

// prune forgets runs of which nothing is kept any more, but for the last of these, and counts the room for more.
func (s *Session) prune() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	gone := 0
	for gone < len(s.runs) && s.runs[gone].first+s.runs[gone].n <= s.runs[gone].log.base {
		gone++
	}
	if gone--; gone > 0 {
		for _, r := range s.runs[:gone] {
			s.first += r.n
		}
		s.runs = slices.Delete(s.runs, 0, gone)
	}
	grown := max(4, 2*len(s.runs))
	delta := int64(grown-cap(s.runs)) * runBytes
	s.runs = append(make([]run, 0, grown), s.runs...)
	s.size.Add(delta)
	if !s.closed {
		s.store.bytes += delta
	}
}

// NoteTail remembers that the client was given a message without an offset that ends in a text, of which hash is the [Hash].
func (s *Session) NoteTail(hash uint64) {
	if len(s.tails) == maxTails {
		s.tails = slices.Delete(s.tails, 0, 1)
		s.unnoted = true
	}
	if s.tails == nil {
		s.tails = make([]tail, 0, maxTails)
	}
	s.tails = append(s.tails, tail{hash, s.next})
}

// Hash returns what [Session.NoteTail] takes.
func (s *Store) Hash(text string) uint64 { return maphash.String(s.seed, text) }

// Missed returns the messages behind the offset, which is what the client got last, "" where it knows none. maxBytes bounds
// them together.
func (s *Session) Missed(offset string, maxBytes int) (messages []*wire.Message, err error) {
	err = s.missed(offset, maxBytes, func(m *wire.Message, _, _ uint64) { messages = append(messages, m) })
	return messages, err
}

// missed calls take for each message behind the offset, with its number in the session and its seq. Store.mu is held meanwhile.
func (s *Session) missed(offset string, maxBytes int, take func(m *wire.Message, position, seq uint64)) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	position, err := s.positionLocked(offset)
	if err != nil {
		return err
	}
	if position < s.first {
		return ErrTrimmed
	}
	ordinal, bytes := s.first, 0
	for _, r := range s.all() {
		skip := min(r.n, max(position, ordinal)-ordinal)
		for index := r.first + skip; index < r.first+r.n; index++ {
			if index < r.log.base {
				return ErrTrimmed
			}
			e := r.log.entries[index-r.log.base]
			if bytes += e.message.Size(); bytes > maxBytes {
				return ErrTooMuch
			}
			take(e.message, ordinal+index-r.first+1, e.seq)
		}
		ordinal += r.n
	}
	return nil
}

// positionLocked returns how many messages the client has got.
//
// Rule: a client never forgets what it got last, also where that was in a session before this one. Then it has got nothing in
// this one.
func (s *Session) positionLocked(offset string) (position uint64, err error) {
	if offset == "" {
		return 0, nil
	}
	for _, l := range s.landings {
		if l.offset == offset {
			return l.position, nil
		}
	}
	seq, ours := parseOffset(s.store.node, offset)
	if !ours {
		return s.tailPosition(offset)
	}
	end := s.next
	for _, r := range slices.Backward(s.all()) {
		begin := end - r.n
		if seq == r.last {
			return end, nil
		}
		if index, ok := r.log.find(seq, r.first, r.n); ok {
			return begin + index - r.first + 1, nil
		}
		if base := r.log.base; seq == r.log.trimmed && r.first < base && base <= r.first+r.n {
			return begin + base - r.first, nil
		}
		end = begin
	}
	if seq > s.start {
		return 0, ErrTrimmed
	}
	return 0, nil
}

// tailPosition is the position of a text that is no offset. Where the same text ended messages at several places, nobody knows
// which one the client got.
func (s *Session) tailPosition(text string) (position uint64, err error) {
	hash, found := s.store.Hash(text), false
	for _, t := range s.tails {
		if t.hash != hash {
			continue
		}
		if found && t.position != position {
			return 0, ErrPosition
		}
		position, found = t.position, true
	}
	if !found && s.unnoted {
		return 0, ErrPosition
	}
	return position, nil
}
