package ticketed

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/hub"
)

const (
	// clientInterval is the time between two texts "client message N".
	clientInterval = 5 * time.Second
	// broadcastInterval is the time between two texts "broadcast message N".
	broadcastInterval = 3 * time.Second
)

// listeners is where the clients of /demo are that have proved who they are.
var listeners = hub.Room{Kind: hub.KindTopic, Name: "demo"}

// Demo serves the plain WebSocket /demo. It is a [app.TextHandler].
type Demo struct {
	// Static after construction.
	entrance *entrance

	mu sync.Mutex
	// mu guards the following.
	inside int    // clients that have proved who they are: without any there is no broadcast
	stop   func() // ends the broadcasts

	sent atomic.Uint64 // broadcasts
}

// NewDemo returns the handler of /demo.
func NewDemo(o Options) *Demo { return &Demo{entrance: newEntrance(o)} }

// Connect implements [app.TextHandler].
func (d *Demo) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	c := &demoClient{demo: d}
	if err := d.entrance.admit(&c.client, p, v, presence.DoorDemo); err != nil {
		return nil, err
	}
	return c, nil
}

// broadcast sends the next broadcast, to the clients of this node: each node counts for itself.
func (d *Demo) broadcast() {
	d.entrance.Hub.SendHere(listeners, &hub.Message{Text: numbered("broadcast message ", d.sent.Add(1)-1)})
}

func (d *Demo) enter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside++; d.inside == 1 {
		d.stop = every(broadcastInterval, d.broadcast)
	}
}

func (d *Demo) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.inside == 0 {
		d.stop()
	}
}

// demoClient is one client of /demo.
type demoClient struct {
	client
	demo *Demo
	sent uint64 // numbered texts; owned by their timer
	stop func() // ends them; nil: they have not begun
}

func (c *demoClient) tick() {
	c.peer.Send(numbered("client message ", c.sent))
	c.sent++
}

// Text implements [app.TextSession].
func (c *demoClient) Text(data []byte) {
	if !c.proved.Load() {
		if c.prove(data, func(time.Time) { c.peer.Send([]byte("token expires soon")) }) == nil {
			return
		}
		c.entrance.Hub.Join(c.peer.Member(), listeners)
		c.demo.enter()
		c.stop = every(clientInterval, c.tick)
		return
	}
	if id, was := c.renew(data); was {
		if id != nil {
			c.peer.Send([]byte("authentication renewed"))
		} else {
			c.peer.Send([]byte("renewal refused"))
		}
		return
	}
	c.peer.Send(append([]byte("echo: "), data...))
}

// Close implements [app.TextSession].
func (c *demoClient) Close(string) {
	c.leave()
	if c.stop != nil {
		c.stop()
		c.demo.leave()
	}
}

func numbered(text string, n uint64) []byte { return strconv.AppendUint([]byte(text), n, 10) }
