package cluster

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
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

// expect makes known that sockets are about to join a room, without waiting.
func (c *Cluster) expect(r hub.Room) {
	c.interest.expect(r)
	if c.sharded {
		c.rooms.expect(r)
	}
}
