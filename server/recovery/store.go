package recovery

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/base64"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"signalbox/server/wire"
)

// Costs in bytes of what is kept, beside the messages' own.
const (
	entryBytes   = 40
	logBytes     = 256
	sessionBytes = 512
	runBytes     = 32
)

// Config bounds a [Store].
type Config struct {
	// Time is how long a session that is away is kept.
	Time time.Duration
	// Notice is how long it may take until it is known that a client is away: messages are kept for so much longer.
	Notice time.Duration
	// Bytes bounds logs and sessions together.
	Bytes int64
	// Node begins every pid and every offset of this process, with [nodeLength] characters that no other process of the cluster
	// has; "": some.
	Node string
	// Compresses reports whether a message of so many bytes may have its compressed form beside it; nil: none has.
	Compresses func(bytes int) bool
	// PerAddress bounds the connections and the sessions away of one client address together; 0: it does not.
	PerAddress int
}

// Store is the logs and sessions of one process. Its methods may be called from any goroutine. While memory is short, a log
// that takes more than a quarter of it loses its own oldest messages first, then the oldest of all go, then the sessions that
// have been away for longest.
type Store struct {
	// Static after construction.
	cfg   Config
	node  string // begins every pid and every offset of this process
	seed  maphash.Seed
	since time.Time

	mu sync.Mutex
	// mu guards the following.
	seq      uint64 // of the latest message
	logs     map[Room]*Log
	order    queue // the log of each message, from the oldest message
	sessions map[uint64]*Session
	away     list.List // of *Session, from the one that has been away for longest
	from     map[string][]*Session
	bytes    int64
	timer    *time.Timer
	due      time.Time // when the timer is; zero: it is not set
	closed   bool

	recovered     uint64
	failed, ended map[string]uint64
}

// Room names a log.
type Room struct {
	Kind uint8
	Name string
}

// New returns an empty store. Close ends its timer.
func New(cfg Config) *Store {
	if cfg.Node == "" {
		cfg.Node = random(nodeLength)
	}
	return &Store{cfg: cfg, node: cfg.Node, seed: maphash.MakeSeed(), since: time.Now(),
		logs: make(map[Room]*Log), sessions: make(map[uint64]*Session), from: make(map[string][]*Session),
		failed: make(map[string]uint64), ended: make(map[string]uint64)}
}

// random returns so many characters, a multiple of four, that nobody can guess.
func random(characters int) string {
	b := make([]byte, characters*3/4)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Stats are figures of now, and counters since the start.
type Stats struct {
	Away     int   // sessions
	Bytes    int64 // of logs and sessions
	Messages int   // in logs

	Recovered uint64            // clients that came back as they were
	Failed    map[string]uint64 // clients that wanted to, by why they could not
	Ended     map[string]uint64 // sessions that ended while they were away, by why
}

// Count counts a client that came back, or, with an error, wanted to.
func (s *Store) Count(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.recovered++
	} else {
		s.failed[err.Error()]++
	}
}

// Stats returns the figures of now.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := 0
	for _, l := range s.logs {
		messages += len(l.entries)
	}
	return Stats{Away: s.away.Len(), Bytes: s.bytes, Messages: messages,
		Recovered: s.recovered, Failed: maps.Clone(s.failed), Ended: maps.Clone(s.ended)}
}

// Append adds a message to the log of a room. Its offset, [OffsetLength] characters, is written to place, a part of the
// message that nobody reads yet; nil: it has one of another node. It may be called with locks of the caller held: it never calls back.
func (s *Store) Append(room Room, m *wire.Message, place []byte) *Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	if place != nil {
		appendOffset(place[:0], s.node, s.seq)
	}
	l := s.logs[room]
	if l == nil {
		l = &Log{room: room}
		s.logs[room] = l
		s.bytes += logBytes + int64(len(room.Name))
	}
	now := time.Since(s.since)
	e := &Entry{log: l, index: l.base + uint64(len(l.entries)), seq: s.seq}
	size := s.takes(m)
	l.entries = append(l.entries, entry{message: m, size: size, seq: s.seq, at: now})
	l.bytes += size
	s.bytes += size
	s.order.push(l)
	for l.bytes > s.cfg.Bytes/4 && len(l.entries) > 1 {
		s.trimLocked(l)
		l.early++
	}
	s.expireLocked(now)
	for s.bytes > s.cfg.Bytes && s.order.len() > 1 { // this message is on its way
		s.dropOldestLocked()
	}
	s.armLocked()
	return e
}

// takes returns what a message is counted as. Its compressed form, which is made only where somebody wants it, is smaller than
// the message.
func (s *Store) takes(m *wire.Message) int64 {
	size := m.Size()
	if s.cfg.Compresses != nil && s.cfg.Compresses(size) {
		size *= 2
	}
	return int64(size + entryBytes)
}

// trimLocked drops a log's oldest message.
func (s *Store) trimLocked(l *Log) {
	size := l.trim()
	l.bytes -= size
	s.bytes -= size
	if len(l.entries) == 0 && s.logs[l.room] == l {
		l.entries = nil
		delete(s.logs, l.room)
		s.bytes -= logBytes + int64(len(l.room.Name))
	}
}

// dropOldestLocked drops the oldest message of all.
func (s *Store) dropOldestLocked() {
	l := s.order.pop()
	if l.early > 0 {
		l.early-- // it has gone already
		return
	}
	s.trimLocked(l)
}

// expireLocked drops messages that are too old.
func (s *Store) expireLocked(now time.Duration) {
	keep := s.cfg.Time + s.cfg.Notice
	for !s.order.empty() {
		if l := s.order.first(); l.early == 0 && now-l.entries[0].at < keep {
			return
		}
		s.dropOldestLocked()
	}
}

// armLocked sets the timer for what comes next.
func (s *Store) armLocked() {
	if s.closed {
		return
	}
	var next time.Time
	if !s.order.empty() {
		next = s.since.Add(s.order.first().oldest() + s.cfg.Time + s.cfg.Notice)
		next = later(next, time.Now().Add(time.Second)) // not one by one
	}
	if front := s.away.Front(); front != nil {
		until := front.Value.(*Session).until
		if s.bytes > s.cfg.Bytes {
			until = time.Now() // it has to go
		}
		if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	if next.IsZero() || !s.due.IsZero() && !next.Before(s.due) {
		return
	}
	s.due = next
	if d := time.Until(next); s.timer == nil {
		s.timer = time.AfterFunc(d, s.tick)
	} else {
		s.timer.Reset(d)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tick runs on the timer.
func (s *Store) tick() {
	s.mu.Lock()
	s.due = time.Time{}
	now := time.Now()
	s.expireLocked(now.Sub(s.since))
	var ended []end
	for front := s.away.Front(); front != nil; front = s.away.Front() {
		session := front.Value.(*Session)
		reason := EndedTime
		if now.Before(session.until) {
			if s.bytes <= s.cfg.Bytes {
				break
			}
			reason = EndedBytes
		}
		ended = append(ended, s.endLocked(session, reason))
	}
	s.armLocked()
	s.mu.Unlock()
	tell(ended)
}

// Drain returns when other nodes have taken all sessions over, or ctx is over.
func (s *Store) Drain(ctx context.Context) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		s.mu.Lock()
		left := len(s.sessions)
		s.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends the sessions that are away, with [EndedClosed], and lets none go away any more.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	var ended []end
	for front := s.away.Front(); front != nil; front = s.away.Front() {
		ended = append(ended, s.endLocked(front.Value.(*Session), EndedClosed))
	}
	s.mu.Unlock()
	tell(ended)
}
