package soak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
)

// mark begins what every message of the checker says of itself: its sender's session, then its number there.
const mark = `"soak":"`

// session is one connection of an actor, from the moment it is ready until it ends.
type session struct {
	name   string // actor.number
	actor  *actor
	node   atomic.Int32 // where it is now
	moved  atomic.Bool  // it was at another one
	client client.Client

	// mu guards the following.
	mu      sync.Mutex
	dialed  time.Time
	since   time.Time   // from here on everything is for it; zero: not ready yet
	ended   time.Time   // the client has seen the end
	fault   time.Time   // the first thing that was done to it; zero: nothing
	hits    []time.Time // all that was done to it, where it came back each time
	lossy   bool        // what was on its way to it then may be lost
	why     string
	next    int
	count   int        // of all messages sent
	sent    []*message // those that are not judged yet
	acks    map[uint64]chan []byte
	heard   map[string]*hearing // by sender's session
	users   []byte              // the last list
	socket  string
	entered string // the room in whose list it is to be
	faults  []string
}

// hearing is what a session has heard of another one.
type hearing struct {
	last int
	seen map[int]struct{}
}

// message is one that was sent.
type message struct {
	from    *session
	node    int // where that was
	n       int
	kind    kind
	to      string
	sent    time.Time
	acked   time.Time // zero: no answer
	ok      bool
	counted int // delivered; -1: the answer says no number
	held    int // for how many that are away
	partial bool
}

func (m *message) String() string {
	answer := "no answer"
	if !m.acked.IsZero() {
		took := m.acked.Sub(m.sent).Round(time.Millisecond)
		answer = fmt.Sprintf("answered after %v ok=%v delivered=%d partial=%v", took, m.ok, m.counted, m.partial)
	}
	return fmt.Sprintf("%v %s#%d from server %d to %q, sent %s, %s",
		m.kind, m.from.name, m.n, m.node, m.to, clock(m.sent), answer)
}

// clock is how times are printed.
func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("15:04:05.000")
}

func (s *session) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%v %s at server %d, ready %s, fault %s %s, ended %s",
		s.actor.kind, s.name, s.at(), clock(s.since), clock(s.fault), s.why, clock(s.ended))
}

// at returns the server that the session is at.
func (s *session) at() int { return int(s.node.Load()) }

// goOn notes that the session goes on at a server.
func (s *session) goOn(node int) {
	if s.node.Swap(int32(node)) != int32(node) {
		s.moved.Store(true)
		s.actor.world.moved.Add(1)
	}
}

// hit notes that something was done to the session, before it is done.
func (s *session) hit(why string, lossy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault.IsZero() {
		s.fault, s.why = time.Now(), why
	}
	s.lossy = s.lossy || lossy
	s.hits = append(s.hits, time.Now())
}

// revive notes that a client has come back as who it was: all that was sent meanwhile is for it.
func (s *session) revive(c client.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.fault, s.lossy, s.ended = c, time.Time{}, false, time.Time{}
}

// hitSince reports whether anything was done to the session after a moment.
func (s *session) hitSince(at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hits) > 0 && s.hits[len(s.hits)-1].After(at)
}

// event takes what the client received.
func (s *session) event(_ int64, event []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if back := s.actor.back; back != nil {
		if offset := client.LastText(event); offset != "" {
			back.Offset = offset
		}
	}
	switch {
	case bytes.HasPrefix(event, []byte(`["users",`)):
		s.users = bytes.Clone(event)
		return
	case bytes.HasPrefix(event, []byte(`["room_history"`)):
		return
	}
	_, rest, ok := bytes.Cut(event, []byte(mark))
	if !ok {
		return
	}
	from, rest, _ := bytes.Cut(rest, []byte(`","n":`))
	end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(string(rest[:max(end, 0)]))
	if err != nil {
		s.faults = append(s.faults, fmt.Sprintf("cannot be read: %.200s", event))
		return
	}
	h := s.heard[string(from)]
	if h == nil {
		h = &hearing{seen: make(map[int]struct{})}
		s.heard[string(from)] = h
	}
	if _, twice := h.seen[n]; twice || n == h.last {
		s.faults = append(s.faults, fmt.Sprintf("doubled: %s#%d, the last was #%d: %.200s", from, n, h.last, event))
	} else if n < h.last {
		s.faults = append(s.faults, fmt.Sprintf("out of order: %s#%d after #%d", from, n, h.last))
	}
	h.seen[n] = struct{}{}
	h.last = max(h.last, n)
}

// got reports whether the session received a message.
func (s *session) got(m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.heard[m.from.name]
	if h == nil {
		return false
	}
	_, ok := h.seen[m.n]
	return ok
}

// ack takes an answer.
func (s *session) ack(_ int64, id uint64, arg []byte) {
	s.mu.Lock()
	answer := s.acks[id]
	delete(s.acks, id)
	if answer == nil {
		s.faults = append(s.faults, fmt.Sprintf("an answer that nobody waits for: %d %.100s", id, arg))
	}
	s.mu.Unlock()
	if answer != nil {
		answer <- bytes.Clone(arg)
	}
}

// expect returns the id of an answer to come, and where it comes.
func (s *session) expect() (uint64, chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	answer := make(chan []byte, 1)
	s.acks[uint64(s.next)] = answer
	return uint64(s.next), answer
}

// answer is what callbacks are called with.
type answer struct {
	OK        bool            `json:"ok"`
	Delivered *int            `json:"delivered"`
	Held      int             `json:"held"`
	Partial   bool            `json:"partial"`
	Error     string          `json:"error"`
	User      json.RawMessage `json:"user"`
}

// readAnswer reads the first argument of a callback.
func readAnswer(raw []byte) (a answer, err error) {
	list := []any{&a}
	err = json.Unmarshal(raw, &list)
	return a, err
}

// post sends a message, and notes what is said to it.
func (s *session) post(k kind, to, format string) error {
	var id uint64
	var answered chan []byte
	if k.answers() {
		id, answered = s.expect()
	}
	s.mu.Lock()
	s.count++
	m := &message{from: s, node: s.at(), n: s.count, kind: k, to: to, sent: time.Now(), counted: -1}
	s.sent = append(s.sent, m)
	s.mu.Unlock()
	body := mark + s.name + `","n":` + strconv.Itoa(m.n)
	var packet string
	if k.answers() {
		packet = fmt.Sprintf(format, id, to, body)
	} else {
		packet = fmt.Sprintf(format, to, body)
	}
	if answered != nil {
		done := s.client.Done()
		s.actor.world.waiting.Go(func() { s.await(m, answered, done) })
	}
	return s.client.Send([]byte(packet))
}

// await notes the answer to a message.
func (s *session) await(m *message, answered chan []byte, done <-chan struct{}) {
	var raw []byte
	select {
	case raw = <-answered:
	case <-done:
		select {
		case raw = <-answered:
		default:
			return
		}
	}
	now := time.Now()
	a, err := readAnswer(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.faults = append(s.faults, fmt.Sprintf("answer to #%d cannot be read: %.200s", m.n, raw))
		return
	}
	m.acked, m.ok, m.partial = now, a.OK, a.Partial
	if a.Delivered != nil {
		m.counted, m.held = *a.Delivered, a.Held
	}
}

// ask sends an event and waits for its answer.
func (s *session) ask(format string, args ...any) (answer, error) {
	id, answered := s.expect()
	if err := s.client.Send(fmt.Appendf(nil, format, append([]any{id}, args...)...)); err != nil {
		return answer{}, err
	}
	select {
	case raw := <-answered:
		return readAnswer(raw)
	case <-s.client.Done():
		return answer{}, errGone
	}
}
