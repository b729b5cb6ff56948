package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"signalbox/cmd/signalbox-bench/client"
)

// kind is what a client is there for.
type kind uint8

const (
	broker kind = iota // events from user to user on "/"
	lobby              // a chat room of "/"
	room               // a room of /chat
	text               // a room of /ws
	watch              // the stream of a room
	tap                // what goes to /events
	events             // the stream of the tap
)

func (k kind) String() string {
	return [...]string{"broker", "lobby", "room", "text", "watch", "tap", "events"}[k]
}

// answers reports whether messages of such a client are answered.
func (k kind) answers() bool { return k <= room }

// door is where such a client comes in.
func (k kind) door() client.Door {
	doors := [...]client.Door{client.Root, client.Root, client.Chat, client.Text, client.Watch, client.Tap, client.Events}
	return doors[k]
}

// settled is how long it takes until everything is for a client that no answer tells when.
const settled = 4 * time.Second

var errGone = errors.New("the connection has ended")

// actor is one client that comes back whenever it is cut. What it does depends on its number and the seed alone.
type actor struct {
	world   *world
	number  int
	kind    kind
	place   string // its user, or its room
	polling bool
	link    *link
	back    *client.Return // what it comes back with; nil: as a new one
	process time.Time      // when the server began that it was connected to as last
	r       *rand.Rand

	// mu guards the following.
	mu       sync.Mutex
	sessions []*session
}

// current is its last session, or nil.
func (a *actor) current() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sessions) == 0 {
		return nil
	}
	return a.sessions[len(a.sessions)-1]
}

// run connects and talks until ctx ends.
func (a *actor) run(ctx context.Context) {
	for number := 1; ctx.Err() == nil; number++ {
		s, err := a.dial(ctx, number)
		if err == nil {
			a.live(ctx, s)
			continue
		}
		pause(ctx, time.Duration(50+a.r.IntN(100))*time.Millisecond)
	}
}

// dial connects to a server by chance; who may come back as who it was goes to the one where it was half of the time, as long
// as that lives, and must be recovered there.
func (a *actor) dial(ctx context.Context, number int) (*session, error) {
	w := a.world
	n := a.r.IntN(len(w.town.nodes))
	before := a.current()
	returns := a.back != nil && a.back.PID != "" && before != nil && !w.stopping(before.at()) &&
		w.town.nodes[before.at()].run().Equal(a.process)
	if returns = returns && (n == before.at() || a.r.IntN(2) == 0); returns {
		n = before.at()
	}
	run := w.town.nodes[n].run()
	a.link.aim(w.town.nodes[n].addr())
	s := &session{
		name: fmt.Sprintf("%d.%d", a.number, number), actor: a, dialed: time.Now(),
		acks: make(map[uint64]chan []byte), heard: make(map[string]*hearing),
	}
	s.node.Store(int32(n))
	target, err := client.NewTarget("http://"+a.link.addr(), "/socket.io/")
	if err != nil {
		return nil, err
	}
	o := client.Options{Door: a.kind.door(), Polling: a.polling, Room: a.place, Return: a.back}
	if a.kind == room || a.kind == watch {
		if o.Token, err = client.Mint(secret, a.user()); err != nil {
			return nil, err
		}
	}
	// It is there for faults before it connects: what is done to a server is done to who is about to connect to it.
	a.mu.Lock()
	a.sessions = append(a.sessions, s)
	a.mu.Unlock()
	if w.stopping(n) {
		s.hit("the server stops", false)
	}
	is := func() *session { // whose the events are
		if a.back != nil && a.back.Recovered {
			return before
		}
		return s
	}
	c, err := client.Dial(ctx, target, w.clock, o, client.Callbacks{
		Event: func(at int64, event []byte) { is().event(at, event) },
		Ack:   func(at int64, id uint64, arg []byte) { is().ack(at, id, arg) },
		End:   func(err error) { is().end(err) },
	})
	recovered := err == nil && a.back != nil && a.back.Recovered
	if err != nil || recovered {
		a.mu.Lock()
		a.sessions = a.sessions[:len(a.sessions)-1]
		a.mu.Unlock()
	}
	switch {
	case err != nil:
		return nil, err
	case recovered:
		w.recovered.Add(1)
		hit, lossy, why := s.passOn()
		s = before
		s.goOn(n)
		s.revive(c)
		if hit {
			s.hit(why, lossy)
		}
	case returns && s.view().fault.IsZero() && w.town.nodes[n].run().Equal(a.process):
		w.blame("not recovered: %s; before it %s", s, before)
	}
	a.process = run
	s.mu.Lock()
	s.client, s.socket = c, c.SocketID()
	s.mu.Unlock()
	c.Start()
	return s, nil
}

// user is what the client is called.
func (a *actor) user() string { return fmt.Sprintf("u%d", a.number) }

// end notes that the connection is over.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = time.Now()
	if s.fault.IsZero() {
		s.faults = append(s.faults, fmt.Sprintf("the connection ended though nothing was done to it: %v", err))
	}
}

// live enters, talks until the connection ends, or leaves when ctx does.
func (a *actor) live(ctx context.Context, s *session) {
	defer func() {
		s.hit("it leaves", true)
		s.client.Leave()
		<-s.client.Done()
	}()
	for s.outside() && !a.enter(s) {
		select {
		case <-ctx.Done():
			return
		case <-s.client.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.client.Done():
			return
		case <-time.After(time.Duration(20+a.r.IntN(160)) * time.Millisecond):
		}
		if a.world.paused.Load() {
			continue
		}
		if a.talk(s) != nil {
			return
		}
	}
}

// outside reports whether the session is not in what its client is there for; who came back as who it was is.
func (s *session) outside() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since.IsZero()
}

// passOn returns what was done to a connection while it was made.
func (s *session) passOn() (hit, lossy bool, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.fault.IsZero(), s.lossy, s.why
}

// enter joins what the client is there for, and reports whether it is in.
func (a *actor) enter(s *session) bool {
	var err error
	var said answer
	wait := time.Duration(0)
	switch a.kind {
	case broker:
		said, err = s.ask(`42%d["join",{"senderUserId":"%s","recipientUserId":-1}]`, a.place)
	case lobby:
		said, err = s.ask(`42%d["login",{"name":"%s","room":"%s"}]`, a.user(), a.place)
		said.OK = said.User != nil || said.Error == "user already exists"
	case room:
		said, err = s.ask(`42/chat,%d["join_room","%s"]`, a.place)
	case text:
		err = s.client.Send(fmt.Appendf(nil, `{"type":"authenticate","userId":"%s"}`, a.user()))
		if err == nil {
			err = s.client.Send(fmt.Appendf(nil, `{"type":"join","room":"%s"}`, a.place))
		}
		said.OK, wait = true, settled
	default:
		said.OK, wait = true, settled
	}
	if err != nil || !said.OK {
		return false
	}
	if said.Partial && a.kind != broker { // the broker's counts say themselves that they are partial
		wait = settled
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Now().Add(wait)
	s.entered = a.place
	return true
}

// talk sends a message.
func (a *actor) talk(s *session) error {
	switch a.kind {
	case broker:
		to := a.world.places[broker][a.r.IntN(len(a.world.places[broker]))]
		return s.post(broker, to, `42%d["m",{"recipientUserId":"%s",%s}]`)
	case lobby:
		return s.post(lobby, a.place, `42%d["roomMessage",{"to":"%s",%s}]`)
	case room:
		return s.post(room, a.place, `42/chat,%d["message",{"roomId":"%s","content":{%s}}]`)
	case text:
		return s.post(text, a.place, `{"type":"message","room":"%s","content":{%s}}`)
	case tap:
		return s.post(tap, a.place, `{"connectionId":"%s",%s}`)
	}
	return nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
