package handlers

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

const (
	// clientInterval is the time between two texts "client message N".
	clientInterval = 5 * time.Second
	// broadcastInterval is the time between two texts "broadcast message N".
	broadcastInterval = 3 * time.Second
)

// Demo serves the plain WebSocket /demo. It is a [app.TextHandler].
type Demo struct {
	// Static after construction.
	hub        RoomHub
	gate       *ticketGate
	clients    *beat
	broadcasts *beat

	mu sync.Mutex
	// mu guards the following.
	inside int // clients that have proved who they are: without any there is no broadcast
	turn   beatEntry

	sent atomic.Uint64 // broadcasts
}

func newDemo(h RoomHub, gate *ticketGate) *Demo {
	return &Demo{hub: h, gate: gate, clients: newBeat(clientInterval), broadcasts: newBeat(broadcastInterval)}
}

// Connect implements [app.TextHandler].
func (d *Demo) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	c := &demoClient{demo: d, ticks: demoTicks{peer: p}}
	if err := d.gate.admit(&c.ticketClient, p, v, DoorDemo); err != nil {
		return nil, err
	}
	return c, nil
}

// beat sends the next broadcast, to the clients of this node: each node counts for itself.
func (d *Demo) beat() bool {
	n := d.sent.Add(1) - 1
	d.hub.SendHere(topicDemo, &hub.Message{Text: numbered("broadcast message ", n)})
	return true
}

func (d *Demo) enter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside++
	if d.inside == 1 {
		d.broadcasts.add(&d.turn, d)
	}
}

func (d *Demo) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
	if d.inside == 0 {
		d.broadcasts.remove(&d.turn)
	}
}

// demoClient is one client of /demo.
type demoClient struct {
	ticketClient
	demo  *Demo
	ticks demoTicks
}

// demoTicks sends a client its numbered texts.
type demoTicks struct {
	peer  app.TextPeer
	entry beatEntry
	sent  atomic.Uint64
}

func (t *demoTicks) beat() bool {
	return t.peer.Send(numbered("client message ", t.sent.Add(1)-1))
}

// Text implements [app.TextSession].
func (c *demoClient) Text(data []byte) {
	if !c.proved.Load() {
		if c.prove(data, func(time.Time) { c.peer.Send([]byte("token expires soon")) }) == nil {
			return
		}
		c.demo.hub.Join(c.peer.Member(), topicDemo)
		c.demo.enter()
		c.demo.clients.add(&c.ticks.entry, &c.ticks)
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
	c.ticketClient.leave()
	if c.proved.Load() {
		c.demo.clients.remove(&c.ticks.entry)
		c.demo.leave()
	}
}

func numbered(text string, n uint64) []byte { return strconv.AppendUint([]byte(text), n, 10) }
