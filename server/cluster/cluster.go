package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/link"
)

// markerSuffix makes the names of signalbox's own channels: Node's never look like it.
const markerSuffix = "-signalbox#"

var (
	errAway      = errors.New("redis is away: other servers cannot be reached")
	errKinds     = errors.New("rooms whose kinds cannot be read")
	errEventName = errors.New("event without a name that is text")
)

// Options are what a cluster stands on. All but Sharded, OnPlain and Adopt are needed.
type Options struct {
	Link *link.Link
	Hub  *hub.Hub
	// Prefix is what channels begin with: the option key (classic) or channelPrefix (sharded) of Node's adapter.
	Prefix string
	// Sharded speaks the format of Node's sharded adapter, which needs Redis 7.
	Sharded bool
	// NodeID names this node: 16 hex digits that no other node has, see [NewNodeID].
	NodeID string
	// OnPlain takes what some program has published on update, broadcast, user:<id> or room:<id>. It runs on the goroutine
	// that receives and must not wait. The error says that the payload is of no use; it is counted. nil: nobody is told.
	OnPlain func(channel string, payload []byte) error
	// Adopt gives a message that came from a server of another kind to a room, by Node's name of it, the forms of the doors
	// that speak no Socket.IO. It must not wait. nil: it goes to Socket.IO clients alone.
	Adopt func(room string, msg *hub.Message)
	Log   *slog.Logger
}

// NewNodeID makes up an id for a node.
func NewNodeID() string { return randomHex(nodeIDLength / 2) }

// Cluster is this server's place among others. It is the [hub.Bus] and the [hub.Nodes] of this node. Make it with [New],
// set the hub's Bus to it, then Start it; Stop ends it.
type Cluster struct {
	// Static after construction.
	link      *link.Link
	hub       *hub.Hub
	prefix    string
	sharded   bool
	id        string // of the node, among signalbox nodes
	uid       string // of the adapter, as Node has it
	signature []byte // what a classic broadcast of this node begins with
	everyone  string // the channel of all signalbox nodes
	inbox     string // that of this node alone
	onPlain   func(channel string, payload []byte) error
	adopt     func(room string, msg *hub.Message)
	log       *slog.Logger
	epoch     time.Time
	topics    *space
	ctx       context.Context
	cancel    context.CancelFunc

	// Set by Start, before anything is received.
	local      Local
	subscriber *link.Subscriber

	interest   interest
	members    members
	questions  questions
	counts     counts
	gatherings gatherings
	echoes     echoes
	rooms      subscriptions
	assumed    [slots]atomic.Int64 // until when others are taken to have somebody in a slot, since epoch
	heard      atomic.Int64        // when the last control message came, since epoch
	stats      tally

	spacesMu sync.RWMutex
	// spacesMu guards the following.
	spaces    map[string]*space // by namespace
	visited   map[string]*space // those nobody here is in
	patterns  map[string]*space // classic, by pattern
	byChannel map[string]subscribedChannel
	started   bool

	topicsMu sync.RWMutex
	// topicsMu guards the following.
	tells map[string]func(body []byte)
	asks  map[string]func(ctx context.Context, body []byte) []byte

	answering  chan struct{} // one for each that is being answered
	tasks      chan func()
	background sync.WaitGroup
	draining   atomic.Bool
}

// channelKind is what comes over a channel that is not a pattern's.
type channelKind uint8

const (
	requestChannel channelKind = iota + 1
	answerChannel
)

type subscribedChannel struct {
	space *space
	kind  channelKind
}

// New returns a cluster that has not been started.
func New(o Options) *Cluster {
	c := &Cluster{
		link: o.Link, hub: o.Hub, prefix: o.Prefix, sharded: o.Sharded, id: o.NodeID, uid: randomName(),
		onPlain: o.OnPlain, adopt: o.Adopt, log: o.Log, epoch: time.Now(),
		spaces: make(map[string]*space), visited: make(map[string]*space), patterns: make(map[string]*space), byChannel: make(map[string]subscribedChannel),
		tells: make(map[string]func([]byte)), asks: make(map[string]func(context.Context, []byte) []byte),
		answering: make(chan struct{}, maxAnswering), tasks: make(chan func(), maxAnswering),
	}
	if o.Sharded {
		c.uid = randomHex(8)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.signature = append([]byte{0x93, 0xa0 | byte(len(c.uid))}, c.uid...)
	c.everyone = o.Prefix + markerSuffix
	c.inbox = c.mailbox(c.id)
	c.members.nodes = make(map[string]*member)
	c.interest.tell, c.interest.nodes, c.interest.slow = c.tellChange, c.members.answering, c.suspect
	c.questions.asks = make(map[uint64]*question)
	c.counts.open = make(map[uint64]*count)
	c.counts.late = c.suspect
	c.gatherings.open = make(map[string]*gathering)
	c.echoes.seed, c.echoes.expected = maphash.MakeSeed(), make(map[uint64]*echo)
	c.rooms.init(c)
	c.topics = c.newSpace("")
	c.topics.member.Store(true)
	return c
}

// SetHooks sets what [Options] left open because it is made later. It must be called before Start.
func (c *Cluster) SetHooks(onPlain func(channel string, payload []byte) error, adopt func(room string, msg *hub.Message)) {
	c.onPlain, c.adopt = onPlain, adopt
}

// Start subscribes to everything and tells the others. It waits for Redis for a moment; where Redis is away it returns all
// the same, and the cluster begins when Redis is there.
func (c *Cluster) Start(local Local) {
	c.local = local
	c.heard.Store(int64(time.Since(c.epoch)))
	c.subscriber = c.link.Subscriber(c.receive)
	c.background.Go(c.work)

	ctx, cancel := context.WithTimeout(c.ctx, 2*time.Second)
	defer cancel()
	c.subscribe(ctx, link.Plain, c.everyone, c.inbox)
	c.subscribe(ctx, link.Plain, c.topics.channels.base)
	c.subscribe(ctx, link.Plain, plainChannels...)
	c.subscribe(ctx, link.Pattern, plainPatterns...)
	c.spacesMu.Lock()
	c.started = true
	var spaces []*space
	for _, s := range c.spaces {
		spaces = append(spaces, s)
	}
	c.spacesMu.Unlock()
	for _, s := range spaces {
		c.subscribeSpace(ctx, s)
	}
	c.link.OnState(c.stateChanged)
	if c.link.Up() {
		c.hello()
	}
	c.background.Go(c.beat)
}

func (c *Cluster) subscribe(ctx context.Context, k link.Kind, channels ...string) {
	// What cannot be subscribed to now is when Redis is back.
	if err := c.subscriber.Subscribe(ctx, k, channels...); err != nil {
		c.log.Debug("not subscribed yet", "channels", len(channels), "error", err)
	}
}

// Open makes a namespace known to the cluster. It is called before the first client of the namespace, and waits for Redis
// for a moment.
func (c *Cluster) Open(namespace string) {
	c.spacesMu.Lock()
	if c.spaces[namespace] != nil {
		c.spacesMu.Unlock()
		return
	}
	s := c.newSpace(namespace)
	s.member.Store(true)
	c.spaces[namespace] = s
	delete(c.visited, namespace)
	if c.sharded {
		c.byChannel[s.channels.base] = subscribedChannel{s, requestChannel}
		c.byChannel[s.channels.own] = subscribedChannel{s, answerChannel}
	} else {
		c.patterns[s.channels.pattern] = s
		c.byChannel[s.channels.request] = subscribedChannel{s, requestChannel}
		c.byChannel[s.channels.answers] = subscribedChannel{s, answerChannel}
		c.byChannel[s.channels.own] = subscribedChannel{s, answerChannel}
	}
	started := c.started
	c.spacesMu.Unlock()
	if started {
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		c.subscribeSpace(ctx, s)
	}
}

// subscribeSpace subscribes to the channels of a namespace. The marker comes last and goes first: where the two numbers
// differ for a moment, a signalbox node is taken for a server of another kind, and not the other way round.
func (c *Cluster) subscribeSpace(ctx context.Context, s *space) {
	ch := &s.channels
	if c.sharded {
		c.subscribe(ctx, link.Sharded, ch.base, ch.own)
		c.subscribe(ctx, link.Sharded, ch.marker)
		return
	}
	c.subscribe(ctx, link.Pattern, ch.pattern)
	c.subscribe(ctx, link.Plain, ch.answers, ch.own)
	c.subscribe(ctx, link.Plain, ch.request)
	c.subscribe(ctx, link.Plain, ch.marker)
}

// Close makes a namespace unknown that nobody is in any more.
func (c *Cluster) Close(namespace string) {
	c.spacesMu.Lock()
	s := c.spaces[namespace]
	if s == nil {
		c.spacesMu.Unlock()
		return
	}
	delete(c.spaces, namespace)
	delete(c.patterns, s.channels.pattern)
	for _, channel := range []string{s.channels.base, s.channels.request, s.channels.answers, s.channels.own} {
		delete(c.byChannel, channel)
	}
	started := c.started
	c.spacesMu.Unlock()
	if !started {
		return
	}
	c.withdraw(s)
	if c.sharded {
		c.subscriber.Unsubscribe(link.Sharded, s.channels.own)
		return
	}
	c.subscriber.Unsubscribe(link.Pattern, s.channels.pattern)
	c.subscriber.Unsubscribe(link.Plain, s.channels.answers, s.channels.own)
}

// withdraw takes this node out of those that are counted, and with it waited for.
func (c *Cluster) withdraw(s *space) {
	kind := link.Plain
	if c.sharded {
		kind = link.Sharded
	}
	c.subscriber.Unsubscribe(kind, s.channels.marker)
	c.subscriber.Unsubscribe(kind, s.channels.request)
}

// Drain tells the other servers not to count on this one's answers any more. Messages still come and go.
func (c *Cluster) Drain() {
	c.draining.Store(true)
	if c.sharded {
		return // one channel carries messages and requests: it is needed to the end
	}
	for _, s := range c.allSpaces() {
		c.withdraw(s)
	}
}

// Stop says good-bye and ends every goroutine; what is received after it is dropped. The link is the caller's to close.
func (c *Cluster) Stop() {
	c.tellAll(c.appendControl(controlBye))
	c.cancel()
	c.background.Wait()
}

// Forget takes a node out that is known to have gone for good.
func (c *Cluster) Forget(node string) { c.left(node) }

func (c *Cluster) space(namespace string) *space {
	if namespace == "" {
		return c.topics
	}
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	return c.spaces[namespace]
}

// maxVisited bounds the namespaces that are kept although nobody here is in them.
const maxVisited = 1000

// spaceFor is space for a namespace that only others may have: messages for it can be published all the same. nil: Redis is
// not to be asked about so many.
func (c *Cluster) spaceFor(namespace string) *space {
	if s := c.space(namespace); s != nil {
		return s
	}
	c.spacesMu.Lock()
	defer c.spacesMu.Unlock()
	if s := c.spaces[namespace]; s != nil {
		return s
	}
	s := c.visited[namespace]
	if s == nil && len(c.visited) < maxVisited {
		s = c.newSpace(namespace)
		c.visited[namespace] = s
	}
	return s
}

func (c *Cluster) spaceOf(pattern string) *space {
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	return c.patterns[pattern]
}

// channelOf returns the namespace that a channel without a pattern belongs to.
func (c *Cluster) channelOf(channel string) (*space, channelKind) {
	c.spacesMu.RLock()
	found, ok := c.byChannel[channel]
	c.spacesMu.RUnlock()
	if !ok && c.sharded {
		return c.rooms.spaceOf(channel), requestChannel
	}
	return found.space, found.kind
}

func (c *Cluster) allSpaces() []*space {
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	spaces := make([]*space, 0, len(c.spaces))
	for _, s := range c.spaces {
		spaces = append(spaces, s)
	}
	return spaces
}

// stateChanged is called when Redis has gone or is back.
func (c *Cluster) stateChanged(up bool) {
	c.members.forgetAll()
	c.interest.abandon()
	c.questions.abandon()
	c.counts.abandon()
	c.echoes.forget()
	for _, s := range append(c.allSpaces(), c.topics) {
		s.checked.Store(0)
	}
	if up {
		c.hello()
	}
}

// hello tells the others that this node is there, and what it wants; they tell the same.
func (c *Cluster) hello() { c.tellAll(c.appendState(c.appendControl(controlHello))) }

// beat says at intervals that this node is there, and looks who else is.
func (c *Cluster) beat() {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	sweep := time.Now()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		if !c.link.Up() {
			continue
		}
		seq, _ := c.interest.state()
		c.tellAll(binary.BigEndian.AppendUint64(c.appendControl(controlBeat), seq))
		suspected, forgotten := c.members.age(time.Now())
		for _, node := range slices.Concat(suspected, forgotten) {
			c.interest.gone(node)
			c.questions.gone(node)
			c.counts.gone(node)
		}
		for _, s := range append(c.allSpaces(), c.topics) {
			c.recount(s)
		}
		if time.Since(sweep) >= sweepInterval {
			sweep = time.Now()
			c.interest.sweep()
		}
	}
}

// recount asks who is subscribed to a namespace.
func (c *Cluster) recount(s *space) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	n, err := c.link.NumSubs(ctx, s.gate.Sharded, s.gate.Channels...)
	if err == nil {
		s.count(n)
	}
}

// work runs what was given to inOrder.
func (c *Cluster) work() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case f := <-c.tasks:
			f()
		}
	}
}

// expect makes known that sockets are about to join a room, without waiting.
func (c *Cluster) expect(r hub.Room) {
	c.interest.expect(r)
	if c.sharded {
		c.rooms.expect(r)
	}
}
