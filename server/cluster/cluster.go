package cluster

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/store/redislink"
)

// markerSuffix and hereSuffix make the names of signalbox's own channels: Node's never look like them.
const (
	markerSuffix = "-signalbox#"
	hereSuffix   = "-signalbox-here#"
)

var (
	errAway      = errors.New("redis is away: other servers cannot be reached")
	errKinds     = errors.New("rooms whose kinds cannot be read")
	errEventName = errors.New("message without an event")
	errTooLarge  = errors.New("more than a client may be sent")
)

// Options are what a cluster stands on. All but Sharded, Streams, URL, OnPlain, MaxPayload and Translate are needed.
type Options struct {
	Link *redislink.Link
	Hub  *hub.Hub
	// Prefix is what channels begin with: the option key (classic) or channelPrefix (sharded) of Node's adapter.
	Prefix string
	// Sharded speaks the format of Node's sharded adapter, which needs Redis 7.
	Sharded bool
	// Streams speaks the format of Node's streams adapter, with the stream that has the name Prefix, and keeps about StreamMaxLen
	// entries of it. Not together with Sharded.
	Streams      bool
	StreamMaxLen int
	// NodeID names this node: 16 hex digits that no other node has, see [NewNodeID].
	NodeID string
	// URL is where other nodes reach this one; "": nowhere.
	URL string
	// OnPlain takes what some program has published on update, broadcast, user:<id> or room:<id>. It runs on the
	// goroutine that receives and must not wait. The error says that the payload is of no use; it is counted. nil:
	// nobody is told.
	OnPlain func(channel string, payload []byte) error
	// MaxPayload is how many bytes of what some program has published are taken; 0: any. More is refused, and counted.
	MaxPayload int
	// Translate gives a message that came from a server of another kind to a room the forms of the doors
	// that speak no Socket.IO. It must not wait. nil: it goes to Socket.IO clients alone.
	Translate func(room hub.Room, msg *hub.Message)
	// Settings are what all nodes should have alike, one line each: it is logged where another node has not. "": that is not
	// looked at.
	Settings string
	Log      *slog.Logger
}

// NewNodeID makes up an id for a node.
func NewNodeID() string { return randomHex(nodeIDLength / 2) }

// Cluster is this server's place among others. It is the [hub.Bus] and the [hub.Nodes] of this node. Make it with
// [New], which makes it the hub's Bus, then Start it; Stop ends it.
type Cluster struct {
	// Static after construction.
	link         *redislink.Link
	hub          *hub.Hub
	prefix       string
	sharded      bool
	stream       *stream // nil: not the streams mode
	id           string  // of the node, among signalbox nodes
	url          string
	uid          string // of the adapter, as Node has it
	signature    []byte // what a classic broadcast of this node begins with; sharded: what ends it, but for the namespace
	everyone     string // the channel of all signalbox nodes
	here         string // that of those which are subscribed to everything they want; nothing comes over it
	socketPrefix string // what the ids of sockets of this node begin with
	inbox        string // that of this node alone
	maxPayload   atomic.Int64
	onPlain      func(channel string, payload []byte) error
	translate    func(room hub.Room, msg *hub.Message)
	names        hub.Names
	onMark       func(channel, mark string) // nil: marks mean nothing
	settings     string
	log          *slog.Logger
	topics       *space
	ctx          context.Context
	cancel       context.CancelFunc

	// Set by Start, before anything is received.
	local      Local
	subscriber *redislink.Subscriber

	members    members
	questions  counts
	gatherings questions[string, *format.Response] // requests in Node's form, whose answers are collected
	echoes     echoes
	rooms      subscriptions
	joining    joining
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

	background background
	draining   atomic.Bool
	met        chan struct{} // closed when this node has met the others, or tried to, for the first time
	meeting    sync.Once
	marks      atomic.Int64 // how many wait for marks
	panicked   sync.Map     // what has, by kind
	compared   sync.Map     // nodes whose settings were looked at

	receiving sync.Mutex // held while a message is handled

	// outbound guards closed: whoever still has something to say to other nodes holds it for reading.
	outbound sync.RWMutex
	closed   bool // nothing is said before Start, nor after good-bye
}

// SetMaxPayload sets [Options.MaxPayload] anew.
func (c *Cluster) SetMaxPayload(bytes int) { c.maxPayload.Store(int64(bytes)) }

// channelKind is what comes over a channel that is not a pattern's.
type channelKind uint8

const (
	broadcastChannel channelKind = iota + 1
	requestChannel
	answerChannel
)

type subscribedChannel struct {
	space *space
	kind  channelKind
}

// New returns a cluster that has not been started, and makes it the Bus of the hub.
func New(o Options) *Cluster {
	c := &Cluster{
		link: o.Link, hub: o.Hub, prefix: o.Prefix, sharded: o.Sharded, id: o.NodeID, url: o.URL, uid: randomName(),
		closed: true, onPlain: o.OnPlain, translate: o.Translate, names: o.Hub.Names, settings: o.Settings, log: o.Log,
		socketPrefix: socketPrefix(o.NodeID), everyone: o.Prefix + markerSuffix, here: o.Prefix + hereSuffix,
		spaces: make(map[string]*space), visited: make(map[string]*space), patterns: make(map[string]*space),
		byChannel: make(map[string]subscribedChannel),
		tells:     make(map[string]func([]byte)), asks: make(map[string]func(context.Context, []byte) []byte),
		members: newMembers(), met: make(chan struct{}),
	}
	c.SetMaxPayload(o.MaxPayload)
	c.signature = append([]byte{0x93, 0xa0 | byte(len(c.uid))}, c.uid...)
	if o.Sharded {
		c.uid = randomHex(8)
		c.signature = []byte(`,"uid":"` + c.uid + `","nsp":"`)
	}
	if o.Streams {
		c.uid = randomHex(8)
		c.stream = newStream(c, o.Prefix, o.StreamMaxLen)
		o.Hub.Ordered = true
	}
	c.inbox = c.inboxOf(c.id)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.background.ctx, c.background.tasks = c.ctx, make(chan func(), maxTasks)
	c.questions.open = make(map[uint64]*question[[]byte])
	c.gatherings.open = make(map[string]*question[*format.Response])
	c.echoes.seed, c.echoes.expected = maphash.MakeSeed(), make(map[uint64]*echo)
	c.rooms.cluster, c.rooms.rooms = c, make(map[string]*subscription)
	c.joining.until = make(map[hub.Room]time.Time)
	c.topics = c.newSpace("")
	c.topics.member.Store(true)
	o.Hub.Bus = c
	return c
}
