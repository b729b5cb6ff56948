package cluster

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// The channels of Redis that any program may publish on.
var (
	plainChannels = []string{"update", "broadcast"}
	plainPatterns = []string{"user:*", "room:*"}
)

// echoLife is how long what was published may take to come back.
const echoLife = 10 * time.Second

// echoes are the messages that this node has published on channels for everybody, and that will come back to it. They
// bear no name, so they are known by what they say: of equal messages as many are dropped as were published here.
type echoes struct {
	seed maphash.Seed

	mu sync.Mutex
	// mu guards the following.
	expected map[uint64]*echo
	swept    time.Time
}

type echo struct {
	count int
	until time.Time
}

func (e *echoes) key(channel string, payload []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(e.seed)
	h.WriteString(channel)
	h.WriteByte(0)
	h.Write(payload)
	return h.Sum64()
}

func (e *echoes) expect(channel string, payload []byte, now time.Time) {
	key := e.key(channel, payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.swept) > echoLife {
		e.swept = now
		for k, x := range e.expected {
			if now.After(x.until) {
				delete(e.expected, k)
			}
		}
	}
	x := e.expected[key]
	if x == nil {
		x = new(echo)
		e.expected[key] = x
	}
	x.count++
	x.until = now.Add(echoLife)
}

// take reports whether a message is one that was published here.
func (e *echoes) take(channel string, payload []byte, now time.Time) bool {
	key := e.key(channel, payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.expected[key]
	if x == nil {
		return false
	}
	if x.count--; x.count == 0 {
		delete(e.expected, key)
	}
	return !now.After(x.until)
}

// forget is for when what was published will never come back.
func (e *echoes) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.expected)
}

// Publish puts a payload on a channel for all programs that listen to it at Redis, this process left out; false: it
// could not be. It implements handlers.Channels.
func (c *Cluster) Publish(channel string, payload []byte) bool {
	if !c.link.Up() {
		c.stats.lost.Add(1)
		return false
	}
	payload = append([]byte(nil), payload...)
	// First: the echo must not come before it is expected.
	c.echoes.expect(channel, payload, time.Now())
	if !c.link.Publish(channel, payload) {
		c.echoes.take(channel, payload, time.Now())
		c.stats.lost.Add(1)
		return false
	}
	c.stats.published.Add(1)
	return true
}

func (c *Cluster) isPlain(channel string) bool {
	return channel == plainChannels[0] || channel == plainChannels[1]
}

// plain handles what some program published on one of the channels for everybody.
func (c *Cluster) plain(channel string, payload []byte) {
	if !c.isPlain(channel) && !strings.HasPrefix(channel, "user:") && !strings.HasPrefix(channel, "room:") {
		return
	}
	if c.echoes.take(channel, payload, time.Now()) {
		return
	}
	if most := c.maxPayload.Load(); most > 0 && int64(len(payload)) > most {
		c.note("publish", errTooLarge)
		return
	}
	if c.onPlain != nil {
		c.note("publish", c.onPlain(channel, payload))
	}
}
