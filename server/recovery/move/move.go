package move

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"signalbox/server/hub"
	"signalbox/server/recovery"
)

const (
	// maxFetches bounds how many sessions a node fetches at once; others wait.
	maxFetches = 64
	// lookTimeout is how long other nodes have to say that they have a session. Those that say nothing are asked again, as they may
	// only be busy, until findTimeout.
	lookTimeout = 300 * time.Millisecond
	findTimeout = 2 * time.Second
	// fetchTimeout is how long a client waits at most until it comes in as a new one.
	fetchTimeout = 5 * time.Second
	// takeTimeout is how long the old node waits for the marks until it has the new one ask again.
	takeTimeout = 900 * time.Millisecond
	// heldFor is how long the old node leaves a session alone that another has asked for.
	heldFor = 6 * time.Second
	// pageBytes is about how much of what was missed one answer has: answers share the queue with what clients say.
	pageBytes = 256 << 10

	topicLook, topicTake, topicStay = "session.look", "session.take", "session.stay"
)

// ErrNodes: the session is, or may be, at another node, which has not given it away.
var ErrNodes = errors.New("nodes")

// errStays: the old node has it still, for its client has come back there meanwhile.
var errStays = errors.New("stays")

// Nodes are the other nodes: a [cluster.Cluster].
type Nodes interface {
	hub.Nodes
	UID() string
	AskNode(ctx context.Context, name, topic string, body []byte) ([]byte, error)
	MarkChannels(namespace string, rooms []hub.Room) []string
	Mark(namespace string, channels []string, mark string) bool
	OnMark(call func(channel, mark string))
	ExpectMarks(more int)
}

// Resident is the owner of a session that may go on at another node.
type Resident interface {
	// Pack ends the client's connection and lets no event of it through any more. It returns what the new node needs, and has p
	// say from now on which messages are for the session. door says what kind of client wants it. false: it does not go.
	Pack(door string, p *Passage) (Parcel, bool)
	// Unpack undoes that, unless p is not the session's passage any more.
	Unpack(p *Passage)
	// Depart reports whether p is still the session's passage.
	Depart(p *Passage) bool
	// Missed returns what the client missed, and its rooms.
	Missed(offset string) ([]recovery.Missed, []hub.Room, error)
	// Moved ends the client's stay here without a word to anybody: it goes on elsewhere.
	Moved(p *Passage)
}

// Newcomer is the client at the new node.
type Newcomer interface {
	// Land has the client in rooms, and out of those of left, with what it missed at the old node.
	Land(missed []recovery.Missed, rooms, left []hub.Room) error
	// Abandon undoes what arriving did, without a word where the old node has the session still.
	Abandon(still bool)
	// Gone reports whether the client's connection has ended.
	Gone() bool
}

// Parcel is what the new node needs of a session.
type Parcel struct {
	Node      string          `json:"node"`
	Namespace string          `json:"namespace"`
	ID        string          `json:"id"`
	Rooms     []hub.Room      `json:"rooms"`
	Channels  []string        `json:"channels"`
	State     json.RawMessage `json:"state,omitempty"` // the handler's
}

// Mover moves sessions of one process. Its methods may be called from any goroutine.
type Mover struct {
	// Static after construction.
	nodes Nodes
	hub   *hub.Hub
	store *recovery.Store
	slots chan struct{}

	mu sync.Mutex
	// mu guards the following.
	transits map[string]*transit
}

// transit is a session on its way.
type transit struct {
	*Passage
	resident  Resident // of one that another node is taking; nil, as all behind it: it comes here
	namespace string
	packed    chan struct{} // closed when parcel is there
	parcel    *Parcel       // nil: it does not go
	departed  bool          // its messages are not for this node any more; Mover.mu guards it
	missed    []recovery.Missed
	rooms     []hub.Room
}

// New returns a mover of a store's sessions. It is called before the nodes are started.
func New(nodes Nodes, h *hub.Hub, store *recovery.Store) *Mover {
	m := &Mover{nodes: nodes, hub: h, store: store, slots: make(chan struct{}, maxFetches),
		transits: make(map[string]*transit)}
	h.Stepwise = true
	nodes.OnMark(m.marked)
	nodes.OnAsk(topicLook, answering(m.look))
	nodes.OnAsk(topicTake, answering(m.take))
	nodes.OnTell(topicStay, func(id []byte) { m.release(string(id)) })
	return m
}

// answering is f as an answer to a question in JSON.
func answering[Q, A any](f func(context.Context, Q) *A) func(context.Context, []byte) []byte {
	return func(ctx context.Context, body []byte) []byte {
		var q Q
		if json.Unmarshal(body, &q) != nil {
			return nil
		}
		a := f(ctx, q)
		if a == nil {
			return nil
		}
		b, _ := json.Marshal(a) // of texts, bytes and checked JSON
		return b
	}
}

// marked takes a mark: its text is a role and a passage's id.
func (m *Mover) marked(channel, mark string) {
	if len(mark) < 2 {
		return
	}
	m.mu.Lock()
	t := m.transits[mark[1:]]
	m.mu.Unlock()
	if t != nil {
		t.mark(mark[:1], channel)
	}
}

// add adds a session, unless it is on its way already.
func (m *Mover) add(t *transit) (before *transit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before = m.transits[t.id]; before == nil {
		m.transits[t.id] = t
		m.nodes.ExpectMarks(1)
	}
	return before
}

func (m *Mover) remove(id string) *transit {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.transits[id]
	if t != nil {
		m.nodes.ExpectMarks(-1)
		delete(m.transits, id)
	}
	return t
}

type lookQuestion struct {
	Session string `json:"session"`
	Door    string `json:"door"`
	Passage string `json:"passage"`
	UID     string `json:"uid"`
}

// look is asked whether a session is here, which then is kept for who asks.
func (m *Mover) look(ctx context.Context, q lookQuestion) *Parcel {
	r, _ := m.store.Find(q.Session).(Resident)
	if r == nil {
		return nil
	}
	l := &transit{Passage: newPassage(q.Passage, false, q.UID, nil), resident: r, packed: make(chan struct{})}
	if before := m.add(l); before != nil { // it has asked before
		select {
		case <-before.packed:
			return before.parcel
		case <-ctx.Done():
			return nil
		}
	}
	defer close(l.packed)
	parcel, ok := r.Pack(q.Door, l.Passage)
	if !ok {
		m.release(q.Passage)
		return nil
	}
	parcel.Node = m.nodes.ID()
	parcel.Channels = m.nodes.MarkChannels(parcel.Namespace, parcel.Rooms)
	l.mu.Lock()
	l.channels = parcel.Channels
	l.mu.Unlock()
	l.namespace, l.parcel = parcel.Namespace, &parcel
	time.AfterFunc(heldFor, func() { m.release(q.Passage) })
	return &parcel
}

// release gives up a passage that nobody has finished.
func (m *Mover) release(id string) {
	switch l := m.remove(id); {
	case l == nil || l.resident == nil:
	case l.departed: // what became of it nobody knows
		l.resident.Moved(l.Passage)
	default:
		l.resident.Unpack(l.Passage)
	}
}

type takeQuestion struct {
	Passage string `json:"passage"`
	Offset  string `json:"offset"`
	From    int    `json:"from"` // which of the missed comes first
}

type takeAnswer struct {
	Fault  string            `json:"fault,omitempty"`
	Rooms  []hub.Room        `json:"rooms,omitempty"`
	Missed []recovery.Missed `json:"missed,omitempty"`
	More   bool              `json:"more,omitempty"` // ask again
}

// take is asked for a session that was looked for, by pages.
func (m *Mover) take(ctx context.Context, q takeQuestion) *takeAnswer {
	m.mu.Lock()
	l := m.transits[q.Passage]
	m.mu.Unlock()
	if l == nil || l.resident == nil {
		return nil
	}
	if err := m.depart(l); err != nil {
		m.release(q.Passage)
		return &takeAnswer{Fault: err.Error()}
	}
	if q.From == 0 {
		ctx, cancel := context.WithTimeout(ctx, takeTimeout)
		defer cancel()
		select {
		case <-l.complete:
		case <-ctx.Done():
			return &takeAnswer{More: true}
		}
		missed, rooms, err := l.resident.Missed(q.Offset)
		l.resident.Moved(l.Passage) // for better or worse
		if err != nil {
			m.remove(q.Passage)
			return &takeAnswer{Fault: err.Error()}
		}
		l.missed, l.rooms = missed, rooms
	}
	a := &takeAnswer{Rooms: l.rooms}
	for bytes := 0; q.From < len(l.missed); q.From++ {
		if bytes > pageBytes {
			a.More = true
			return a
		}
		for _, part := range l.missed[q.From].Parts {
			bytes += len(part.Payload)
		}
		a.Missed = append(a.Missed, l.missed[q.From])
	}
	m.remove(q.Passage)
	return a
}

// depart has a session on its way, once: from now on what is sent here is not for it any more. The error is that it stays, or that
// the other nodes cannot be told.
func (m *Mover) depart(l *transit) (err error) {
	m.mu.Lock()
	first := !l.departed
	l.departed = true
	m.mu.Unlock()
	if !first {
		return nil
	}
	m.hub.Between(func() {
		if !l.resident.Depart(l.Passage) {
			err = errStays
			return
		}
		l.switchOwn()
		if !m.nodes.Mark(l.namespace, l.channels, oldNode+l.id) {
			err = recovery.ErrUnknown
		}
	})
	if err == errStays {
		m.mu.Lock()
		l.departed = false
		m.mu.Unlock()
	}
	return err
}

// Fetch takes a session over from another node. door says what kind of client wants it; arrive is called with what is known of it, has
// the client join its rooms, where p says which messages are for it, and returns who it is here. The error is why that could
// not be.
func (m *Mover) Fetch(pid, offset, door string, arrive func(parcel Parcel, p *Passage) (Newcomer, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return ErrNodes
	}
	var b [12]byte
	rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	parcel, err := m.find(ctx, lookQuestion{Session: pid, Door: door, Passage: id, UID: m.nodes.UID()})
	if err != nil {
		return err
	}
	p := newPassage(id, true, m.nodes.UID(), parcel.Channels)
	m.add(&transit{Passage: p})
	defer m.remove(id)
	newcomer, err := arrive(parcel, p)
	if err != nil {
		m.nodes.TellNode(parcel.Node, topicStay, []byte(id))
		return err
	}
	m.hub.Between(func() {
		p.switchOwn()
		if !m.nodes.Mark(parcel.Namespace, parcel.Channels, newNode+id) {
			err = ErrNodes
		}
	})
	if err != nil {
		newcomer.Abandon(true)
		m.nodes.TellNode(parcel.Node, topicStay, []byte(id))
		return err
	}
	missed, rooms, err := m.collect(ctx, parcel.Node, takeQuestion{Passage: id, Offset: offset})
	if err == nil {
		err = p.await(ctx)
	}
	if err == nil {
		left := slices.DeleteFunc(parcel.Rooms, func(r hub.Room) bool { return slices.Contains(rooms, r) })
		err = newcomer.Land(missed, rooms, left)
	}
	if err != nil {
		// Whether the old node has it where that has not answered nobody knows: who is not here any more may come back there.
		newcomer.Abandon(err == errStays || err == ErrNodes && newcomer.Gone())
	}
	if err == errStays {
		return ErrNodes
	}
	return err
}

// find asks the node that a session's id names, and all others where that has it not.
func (m *Mover) find(ctx context.Context, q lookQuestion) (parcel Parcel, err error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	body, _ := json.Marshal(q) // of texts
	for {
		again := time.After(lookTimeout)
		if parcel, err = m.ask(ctx, q, body); err != ErrNodes {
			return parcel, err
		}
		select {
		case <-again:
		case <-ctx.Done():
			return parcel, err
		}
	}
}

func (m *Mover) ask(ctx context.Context, q lookQuestion, body []byte) (parcel Parcel, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	answer, err := m.nodes.AskNode(ctx, recovery.NodeOf(q.Session), topicLook, body)
	if err == nil && len(answer) > 0 {
		return parcel, json.Unmarshal(answer, &parcel)
	}
	answers, complete := m.nodes.Ask(ctx, topicLook, body)
	for _, answer := range answers {
		if len(answer) > 0 {
			return parcel, json.Unmarshal(answer, &parcel)
		}
	}
	if !complete {
		return parcel, ErrNodes
	}
	return parcel, recovery.ErrUnknown
}

// collect asks for all pages of what a client missed.
func (m *Mover) collect(ctx context.Context, node string, q takeQuestion) (missed []recovery.Missed, rooms []hub.Room, err error) {
	for {
		body, _ := json.Marshal(q) // of texts
		var a takeAnswer
		answer, err := m.nodes.AskNode(ctx, node, topicTake, body)
		if err == nil {
			err = json.Unmarshal(answer, &a)
		}
		if err != nil {
			return nil, nil, ErrNodes
		}
		if a.Fault != "" {
			return nil, nil, faultOf(a.Fault)
		}
		missed, rooms = append(missed, a.Missed...), a.Rooms
		if q.From = len(missed); !a.More {
			return missed, rooms, nil
		}
	}
}

// faultOf returns the reason that another node gives.
func faultOf(text string) error {
	for _, err := range []error{recovery.ErrUnknown, recovery.ErrPosition, recovery.ErrTrimmed, recovery.ErrTooMuch, errStays} {
		if strings.HasPrefix(text, err.Error()) {
			return err
		}
	}
	return ErrNodes
}
