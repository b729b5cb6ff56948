package router

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// What an [Occupancy] tells.
const (
	Online   = "online"   // a user has come,
	Offline  = "offline"  // and is not there any more
	Occupied = "occupied" // somebody is in a room,
	Vacated  = "vacated"  // and nobody is any more
)

const (
	topicOccupied = "occupied" // asks what others know of places
	topicVacated  = "vacated"  // tells of places that a backend was told are empty
	// maxLooked and maxLookedBytes bound what other nodes are asked at once.
	maxLooked      = 1000
	maxLookedBytes = 64 << 10
)

// OccupancyOptions are what an [Occupancy] is made of. All are needed.
type OccupancyOptions struct {
	Kinds []string // what is told: Online, Offline, Occupied, Vacated
	// Grace is how long somebody may be away before backends are told.
	Grace time.Duration
	// Notices returns who tells the backend of a namespace; nil: nobody does, and nobody there counts.
	Notices func(namespace string) *Notices
	Nodes   hub.Nodes
}

// Occupancy tells backends which users are there, and in which rooms somebody is, over all nodes of a cluster. What is told last
// of a user or a room, by its version, is true; the same may be told twice. A nil *Occupancy tells nothing.
//
// A node that has somebody asks the others whether they have told it, and tells it if not. A node that has nobody any more, when
// the grace is over, asks the others whether they have somebody, and tells it if not, the others too: one that has somebody by then
// tells that again. What is to be told should the node die stands in the store of notices meanwhile.
type Occupancy struct {
	// Static after construction.
	o      OccupancyOptions
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended
	wake   chan struct{} // holds one: there is something to look at

	mu sync.Mutex
	// mu guards the following.
	places map[place]*occupants
	soon   []place    // to be looked at now
	later  []vacating // in order of time
	clock  uint64     // the highest version there was
}

// place is a user or a room of a namespace.
type place struct {
	User      bool   `json:"u,omitempty"`
	Namespace string `json:"n"`
	Name      string `json:"i"`
}

// occupants are who is in a place at this node.
type occupants struct {
	members int
	left    time.Time // the last one
	version uint64    // of the last of them to have left, if that is told
	told    bool      // backends know that somebody is there, by this node or another one
	id      string    // of the notice that the store keeps; "": there is none
}

type vacating struct {
	place place
	at    time.Time
}

// NewOccupancy returns an occupancy of nobody.
func NewOccupancy(o OccupancyOptions) *Occupancy {
	p := &Occupancy{o: o, done: make(chan struct{}), wake: make(chan struct{}, 1), places: make(map[place]*occupants)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	hub.Answer(o.Nodes, topicOccupied, p.answer)
	o.Nodes.OnTell(topicVacated, p.hearVacated)
	go p.run() // awaited by Close
	return p
}

func (p *Occupancy) enter(where place) {
	p.mu.Lock()
	c := p.places[where]
	if c == nil {
		c = new(occupants)
		p.places[where] = c
	}
	c.members++
	look := c.members == 1 && (!c.told || c.id == "")
	if look {
		p.soon = append(p.soon, where)
	}
	p.mu.Unlock()
	if look {
		p.nudge()
	}
}

func (p *Occupancy) leave(where place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.places[where]
	if c == nil || c.members == 0 {
		return
	}
	if c.members--; c.members == 0 {
		p.vacateLocked(where, c)
	}
}

func (p *Occupancy) vacateLocked(where place, c *occupants) {
	c.left = time.Now()
	p.later = append(p.later, vacating{where, c.left.Add(p.o.Grace)})
	if len(p.later) == 1 {
		p.nudge()
	}
}

// userCame and userLeft are told of each socket of a user.
func (p *Occupancy) userCame(namespace, user string) {
	if p != nil && user != "" && p.o.Notices(namespace) != nil {
		p.enter(place{true, namespace, user})
	}
}

func (p *Occupancy) userLeft(namespace, user string) {
	if p != nil && user != "" {
		p.leave(place{true, namespace, user})
	}
}

// roomOf returns the place that a room of the hub is: not the rooms of one socket, of a user, or of a whole namespace.
func (p *Occupancy) roomOf(r hub.Room) (place, bool) {
	switch r.Kind {
	case hub.KindLobby, hub.KindRoom, hub.KindNamespace:
	default:
		return place{}, false
	}
	namespace, name := r.Place()
	counts := !strings.HasPrefix(name, userPrefix) && p.o.Notices(namespace) != nil
	return place{false, namespace, name}, counts
}

// Shown implements [hub.Watcher].
func (p *Occupancy) Shown(m *hub.Member, rooms []hub.Room) {
	for _, r := range rooms {
		p.Joined(m, r, nil)
	}
}

// Joined implements [hub.Watcher].
func (p *Occupancy) Joined(_ *hub.Member, r hub.Room, _ []hub.Room) {
	if where, ok := p.roomOf(r); ok {
		p.enter(where)
	}
}

// Left implements [hub.Watcher].
func (p *Occupancy) Left(_ *hub.Member, r hub.Room, _ []hub.Room) {
	if where, ok := p.roomOf(r); ok {
		p.leave(where)
	}
}

// Gone implements [hub.Watcher].
func (p *Occupancy) Gone(m *hub.Member, rooms []hub.Room) {
	for _, r := range rooms {
		p.Left(m, r, nil)
	}
}

func (p *Occupancy) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run looks after places when somebody has come, or the grace of one is over.
func (p *Occupancy) run() {
	defer close(p.done)
	for p.ctx.Err() == nil {
		p.mu.Lock()
		wait := time.Hour
		if len(p.later) > 0 {
			wait = time.Until(p.later[0].at)
		}
		if len(p.soon) > 0 {
			wait = 0
		}
		p.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-t.C:
		case <-p.ctx.Done():
		}
		t.Stop()
		if sleep(p.ctx, noticeDelay) { // for others, so that they share a question
			p.look(false)
		}
	}
}

// look looks at what is due; all: also at those whose grace is not over.
func (p *Occupancy) look(all bool) {
	p.mu.Lock()
	asked, come := p.takeLocked(all)
	p.mu.Unlock()
	if len(asked) == 0 {
		return
	}
	elsewhere := make([]byte, len(asked))
	var clock uint64
	complete := hub.Ask(p.ctx, p.o.Nodes, topicOccupied, asked, func(a occupiedAnswer) {
		clock = max(clock, a.Clock)
		for i := range min(len(a.Places), len(elsewhere)) {
			elsewhere[i] |= a.Places[i] - '0'
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock = max(p.clock, clock)
	told := vacated{Clock: p.clock}
	for i, where := range asked {
		if c := p.places[where]; c != nil && (c.members > 0) == (i < come) { // else it is looked at again
			if p.decideLocked(where, c, elsewhere[i], complete) {
				told.Places = append(told.Places, where)
			}
		}
	}
	if len(told.Places) > 0 {
		body, _ := rawjson.Marshal(told) // of texts and numbers
		p.o.Nodes.Tell(topicVacated, body)
	}
}

// vacated are places of which a backend was told, up to a version, that nobody is there any more.
type vacated struct {
	Clock  uint64  `json:"clock"`
	Places []place `json:"places"`
}

// hearVacated tells again who is here: whoever told that nobody is could not know.
func (p *Occupancy) hearVacated(body []byte) {
	var told vacated
	if json.Unmarshal(body, &told) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock = max(p.clock, told.Clock)
	for _, where := range told.Places {
		if c := p.places[where]; c != nil && c.members > 0 && c.told {
			p.tellLocked(p.o.Notices(where.Namespace), where, Online, Occupied, newVisit(), p.nextLocked())
		}
	}
}

// takeLocked returns the places to ask the others about; to the first ones somebody has come. Of the others, which are left, this
// node has told nothing from now on: who comes meanwhile is told anew.
func (p *Occupancy) takeLocked(all bool) (asked []place, come int) {
	size, now := 0, time.Now()
	take := func(where place) {
		asked = append(asked, where)
		size += len(where.Name) + len(where.Namespace)
	}
	full := func() bool { return len(asked) >= maxLooked || size > maxLookedBytes }
	n := 0
	for ; n < len(p.soon) && !full(); n++ {
		if c := p.places[p.soon[n]]; c != nil && c.members > 0 && (!c.told || c.id == "") {
			take(p.soon[n])
		}
	}
	p.soon = slices.Delete(p.soon, 0, n)
	come = len(asked)
	for n = 0; n < len(p.later) && !full() && (all || !now.Before(p.later[n].at)); n++ {
		where := p.later[n].place
		c := p.places[where]
		if c == nil || c.members > 0 || !all && now.Before(c.left.Add(p.o.Grace)) {
			continue
		}
		if !c.told {
			delete(p.places, where) // it came and went before anybody was told
			continue
		}
		c.told, c.version = false, p.nextLocked() // who tells that somebody has come asks for the clock later than this
		take(where)
	}
	p.later = slices.Delete(p.later, 0, n)
	return asked, come
}

// What a node answers of a place.
const (
	hasMembers = 1 << iota
	hasTold
)

type occupiedAnswer struct {
	Clock  uint64 `json:"clock"`
	Places string `json:"places"` // a digit for each
}

func (p *Occupancy) answer(asked []place) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := make([]byte, len(asked))
	for i, where := range asked {
		a[i] = '0'
		if c := p.places[where]; c != nil && c.members > 0 {
			a[i] += hasMembers
		}
		if c := p.places[where]; c != nil && c.told {
			a[i] += hasTold
		}
	}
	return occupiedAnswer{p.clock, string(a)}
}

// decideLocked tells what is true of a place, unless another node has or will. complete: all nodes have answered. It reports whether
// it has told that nobody is there.
func (p *Occupancy) decideLocked(where place, c *occupants, elsewhere byte, complete bool) (empty bool) {
	n := p.o.Notices(where.Namespace)
	if c.members > 0 {
		if !c.told && elsewhere&hasTold == 0 {
			p.tellLocked(n, where, Online, Occupied, newVisit(), p.nextLocked())
		}
		c.told = true
		if c.id == "" {
			c.id = newVisit()
			n.keep(where.notice(Offline, Vacated, c.id, p.nextLocked()))
		}
		return false
	}
	switch {
	case c.told: // it was restored meanwhile: the grace runs anew
		return false
	case elsewhere != 0: // one with somebody, or whose own grace is not over
		n.forget(c.id)
	case !complete: // a node that does not answer may have somebody
		c.told = true
		p.vacateLocked(where, c)
		return false
	default:
		p.tellLocked(n, where, Offline, Vacated, c.id, c.version)
		empty = true
	}
	delete(p.places, where)
	return empty
}

// nextLocked returns a version that no node has given before, as far as this one knows.
func (p *Occupancy) nextLocked() uint64 {
	p.clock = max(p.clock+1, uint64(time.Now().UnixMicro()))
	return p.clock
}

func (p *Occupancy) tellLocked(n *Notices, where place, user, room, id string, version uint64) {
	kind := room
	if where.User {
		kind = user
	}
	if id == "" {
		id = newVisit()
	}
	if slices.Contains(p.o.Kinds, kind) {
		n.put(where.notice(user, room, id, version))
	} else {
		n.forget(id)
	}
}

// notice returns what is told of a place, as a user or as a room.
func (where place) notice(user, room, id string, version uint64) Notice {
	kind, member := room, `,"room":`
	if where.User {
		kind, member = user, `,"user":`
	}
	b := rawjson.AppendString([]byte(`{"type":"`+kind+`","id":`), id)
	b = rawjson.AppendString(append(b, `,"ns":`...), where.Namespace)
	b = rawjson.AppendString(append(b, member...), where.Name)
	b = append(strconv.AppendUint(append(b, `,"version":`...), version, 10), '}')
	return Notice{
		ID: id, Socket: member + where.Namespace + " " + where.Name, Namespace: where.Namespace, Since: time.Now(), Body: b, spare: true,
	}
}

// Restore takes over what a process has left that ended without a word, if it is about a place: who was there, there or at a
// process that ran before, has a grace to come back.
func (p *Occupancy) Restore(kept Notice) bool {
	var told struct {
		Type, NS, User, Room string
		Version              uint64
	}
	if p == nil || json.Unmarshal(kept.Body, &told) != nil || told.Type != Offline && told.Type != Vacated {
		return false
	}
	where := place{told.Type == Offline, told.NS, told.User + told.Room}
	n := p.o.Notices(where.Namespace)
	if n == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock = max(p.clock, told.Version)
	c := p.places[where]
	if c == nil {
		c = new(occupants)
		p.places[where] = c
	}
	c.told = true
	if c.id == "" {
		c.id = kept.ID
		n.keep(kept)
	} else if c.id != kept.ID {
		n.forget(kept.ID)
	}
	if c.members == 0 {
		p.vacateLocked(where, c)
	}
	return true
}

// Returned tells again who is at this node, which others had taken for dead.
func (p *Occupancy) Returned() {
	if p == nil {
		return
	}
	p.mu.Lock()
	for where, c := range p.places {
		if c.members > 0 {
			c.told = false
			p.soon = append(p.soon, where)
		}
	}
	p.mu.Unlock()
	p.nudge()
}

// Close ends it when the last client has gone. In a cluster the others see to what is left, who may have those who were here. A
// node by itself tells it.
func (p *Occupancy) Close() {
	if p == nil {
		return
	}
	p.cancel()
	<-p.done
	for p.o.Nodes == hub.Alone && p.isWaiting() {
		p.look(true)
	}
}

func (p *Occupancy) isWaiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.later) > 0
}
