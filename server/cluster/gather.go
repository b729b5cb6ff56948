package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// gatherings are the requests of this node whose answers are being collected, by their id.
type gatherings struct {
	mu sync.Mutex
	// mu guards the following.
	open map[string]*gathering
}

// gathering collects the answers to one request. A server may answer several times.
type gathering struct {
	take func(r *format.Response) bool // called one at a time; reports whether that was all
	done chan struct{}                 // closed when it was

	mu     sync.Mutex
	closed bool // nothing is taken any more; guarded by mu
}

func (gs *gatherings) add(id string, take func(r *format.Response) bool) *gathering {
	g := &gathering{take: take, done: make(chan struct{})}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.open[id] = g
	return g
}

// end takes a request out: when it returns, its answers are not written to any more.
func (gs *gatherings) end(id string) {
	gs.mu.Lock()
	g := gs.open[id]
	delete(gs.open, id)
	gs.mu.Unlock()
	if g != nil {
		g.mu.Lock()
		g.closed = true
		g.mu.Unlock()
	}
}

// answer gives an answer to the request it is for, if that is one of ours.
func (gs *gatherings) answer(r *format.Response) {
	gs.mu.Lock()
	g := gs.open[r.ID]
	gs.mu.Unlock()
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && g.take(r) {
		g.closed = true
		close(g.done)
	}
}

func (c *Cluster) takeResponse(_ *space, payload []byte) error {
	r, err := format.ParseClassicResponse(payload)
	if err != nil {
		return err
	}
	return c.respond(nil, r)
}

func (c *Cluster) respond(_ *space, r *format.Response) error {
	c.gatherings.answer(r)
	return nil
}

// gather sends a request to all other servers and takes one answer of each.
func (c *Cluster) gather(ctx context.Context, namespace string, r *format.Request, take func(*format.Response)) error {
	s := c.space(namespace)
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	want, err := c.others(ctx, s)
	if err != nil {
		return err
	}
	if want == 0 {
		return nil
	}
	r.ID = c.newRequestID()
	got := 0
	g := c.gatherings.add(r.ID, func(a *format.Response) bool {
		take(a)
		got++
		return got >= want
	})
	defer c.gatherings.end(r.ID)
	if !c.ask(s, r) {
		return errAway
	}
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		c.gatherings.end(r.ID)
		c.stats.timeouts.Add(1)
		return fmt.Errorf("timeout reached: only %d responses received out of %d", got, want)
	}
}

// Servers is the cluster as namespaces see it: all other servers, of whichever kind.
type Servers struct{ *Cluster }

// Servers returns the cluster for package socketio.
func (c *Cluster) Servers() Servers { return Servers{c} }

// Ask sends an event to clients of other servers, each of which is asked to answer. It calls answer for each that does, one
// at a time, and returns the number of clients asked when all have answered or ctx is over. complete: all servers told how
// many clients they have asked. sid is "" where the other server does not say whose answer it is.
func (c Servers) Ask(ctx context.Context, sel hub.Selection, msg *hub.Message, timeout time.Duration,
	answer func(sid string, args []json.RawMessage, attachments [][]byte)) (asked int, complete bool) {
	s := c.space(msg.Namespace)
	if s == nil {
		return 0, true
	}
	want, err := c.others(ctx, s)
	if err != nil {
		return 0, false
	}
	if want == 0 {
		return 0, true
	}
	id := c.newRequestID()
	servers, answers := 0, 0
	g := c.gatherings.add(id, func(r *format.Response) bool {
		switch r.Type {
		case format.ResponseCount:
			servers++
			asked += int(r.Count)
		case format.ResponseAck:
			answers++
			answer(r.SID, r.Args, r.Attachments)
		}
		return servers >= want && answers >= asked
	})
	defer c.gatherings.end(id)
	if !c.publishAsk(s, id, sel, msg, timeout) {
		return 0, false
	}
	select {
	case <-g.done:
	case <-ctx.Done():
	}
	c.gatherings.end(id)
	return asked, servers >= want
}

// publishAsk publishes an event that is to be answered.
func (c *Cluster) publishAsk(s *space, id string, sel hub.Selection, msg *hub.Message, timeout time.Duration) bool {
	o := outgoings.Get().(*outgoing)
	defer func() {
		*o = outgoing{name: o.name[:0]}
		outgoings.Put(o)
	}()
	c.fill(o, s, sel, msg)
	o.b.RequestID, o.b.Flags.Timeout = id, timeout
	if c.sharded {
		b, err := format.AppendSharded(nil, &o.b)
		return err == nil && c.link.SPublish(s.channels.base, b)
	}
	b, err := format.AppendClassic(nil, &o.b)
	return err == nil && c.link.Publish(s.channels.request, b)
}

// countForeign asks servers of other kinds how many sockets a selection names there, for a counted message that they were
// sent: they do not tell by themselves.
func (c *Cluster) countForeign(s *space, sel hub.Selection, count uint64) {
	want := int(s.foreign.Load())
	r := request(format.RequestFetch, sel)
	r.RoomKinds += foreignOnly
	r.ID = c.newRequestID()
	seen := make(map[string]struct{})
	servers := 0
	c.gatherings.add(r.ID, func(a *format.Response) bool {
		servers++
		for _, socket := range a.Sockets {
			seen[socket.ID] = struct{}{}
		}
		if servers < want {
			return false
		}
		c.counts.foreign(count, len(seen), true)
		return true
	})
	if !c.ask(s, r) {
		c.gatherings.end(r.ID)
		c.counts.foreign(count, 0, false)
		return
	}
	// The count gives up after countTimeout by itself.
	time.AfterFunc(countTimeout, func() { c.gatherings.end(r.ID) })
}
