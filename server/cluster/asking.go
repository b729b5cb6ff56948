package cluster

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// AskClients sends an event to clients of other servers, each of which is asked to answer. It calls answer for each
// that does, one at a time and on the goroutine that called it, and returns the number of clients asked when all have
// answered or ctx is over, after two minutes at most. complete: all servers told how many clients they have asked.
// sid is "" where the other server does not say whose answer it is.
func (c *Cluster) AskClients(ctx context.Context, sel hub.Selection, msg *hub.Message, timeout time.Duration,
	answer func(sid string, args []json.RawMessage, attachments [][]byte)) (asked int, complete bool) {
	s := c.space(msg.Namespace)
	elsewhere := s == nil
	if elsewhere {
		s = c.spaceFor(msg.Namespace)
	}
	ctx, cancel := c.within(ctx, maxAskTimeout)
	defer cancel()
	want, err := c.others(ctx, s)
	if err != nil {
		return 0, false
	}
	if want == 0 || elsewhere {
		return 0, want == 0 && c.Up() // where this node is not in the namespace, it would not hear the answers
	}
	id := c.newRequestID()
	box := answerInbox{wake: make(chan struct{}, 1)}
	gone := make(chan struct{})
	c.gatherings.add(id, 0, box.put, func(bool) { close(gone) })
	defer c.gatherings.fail(id)
	if !c.publishAsk(s, id, sel, msg, timeout) {
		return 0, false
	}
	servers, answers := 0, 0
	for over := false; ; {
		for _, r := range box.empty() {
			switch r.Type {
			case format.ResponseCount:
				servers++
				asked += int(r.Count)
			case format.ResponseAck:
				answers++
				answer(r.SID, r.Args, r.Attachments)
			}
		}
		if over || servers >= want && answers >= asked {
			return asked, servers >= want && c.Up()
		}
		select {
		case <-box.wake:
		case <-gone: // Redis has gone
			over = true
		case <-ctx.Done():
			over = true
		}
	}
}

// answerInbox keeps answers for whoever has asked: what is done with them may take its time, and the goroutine that
// receives has none.
type answerInbox struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex
	answers []*format.Response // guarded by mu
}

// put keeps an answer. None counts: whoever has asked knows when that was all.
func (b *answerInbox) put(r *format.Response) bool {
	b.mu.Lock()
	b.answers = append(b.answers, r)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return false
}

func (b *answerInbox) empty() []*format.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	answers := b.answers
	b.answers = nil
	return answers
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
		return err == nil && c.publish(true, s.channels.base, b)
	}
	if c.stream != nil {
		b, err := format.AppendAsked(nil, &o.b)
		return err == nil && c.publish(false, s.channels.base, b)
	}
	b, err := format.AppendClassic(nil, &o.b)
	return err == nil && c.publish(false, s.channels.request, b)
}
