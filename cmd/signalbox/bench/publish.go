package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// errNoAPIKey is the error of publish.
var errNoAPIKey = errors.New("it needs the API: give the server's API_KEY as --api-key or in the environment")

// published is how the answer to a call begins that reached the one listener.
var published = []byte(`{"ok":true,"delivered":1`)

// runPublish publishes to a room with one listener, on every connection the next message when the last was answered.
func runPublish(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	if o.apiKey == "" {
		return errNoAPIKey
	}
	n := o.publishClients
	each := int64(max(o.publishCalls/n, 1))
	total := each * int64(n)
	res.About = fmt.Sprintf("%d connections, %d calls, one plain WebSocket listens", n, total)
	a := newArrivals(n, each, o.padBytes, func(i int) int64 { return int64(i) }) // one account per sender, one listener
	listener, err := r.listen(ctx, a)
	defer listener.close()
	if err != nil {
		return err
	}
	r.progress.watch("publishes", &a.delivered, total)
	m := meter{procs: r.procs}
	if err := m.begin(); err != nil {
		return err
	}
	p := &publisher{runner: r, padding: a.padding, sent: make([]int64, n)}
	var senders sync.WaitGroup
	for i := range n {
		senders.Go(func() { p.publish(ctx, i, each) })
	}
	senders.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	sent := int64(0)
	for _, n := range p.sent {
		sent += n
	}
	if err := m.end(await(ctx, &a.delivered, sent, o.quiet)); err != nil {
		return err
	}
	err = a.finish(ctx, res, func(i int) int64 { return p.sent[i] })
	res.Latency = p.latency.latency() // of the calls, not of the deliveries
	res.Disconnected = listener.gone.Load()
	if n := p.unheard.Load(); n > 0 {
		res.note(fmt.Sprintf("%d calls did not reach the listener, as their answers say", n))
	}
	m.fill(res)
	return errors.Join(err, p.err)
}

// listen connects the one listener to the room.
func (r *runner) listen(ctx context.Context, a *arrivals) (*crowd, error) {
	pong := make(chan struct{}, 1)
	c := r.connect(ctx, 1, 1, dialOptions{door: doorText, bufBytes: roomBuffer}, func(int) callbacks {
		return callbacks{event: func(at int64, text []byte) {
			if bytes.HasPrefix(text, pongText) {
				select {
				case pong <- struct{}{}:
				default: // one more than was asked for
				}
				return
			}
			if !bytes.HasPrefix(text, publishedType) {
				return
			}
			if m := findStamp(text, a.padding); m.sender >= 0 && m.sender < int64(len(a.inboxes)) {
				a.record(int(m.sender), at, m)
			}
		}}
	})
	if err := c.need(); err != nil {
		return c, err
	}
	if err := c.clients[0].send(fmt.Appendf(nil, joinText, chatRoom)); err != nil {
		return c, err
	}
	if err := c.clients[0].send(askText); err != nil {
		return c, err
	}
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case <-pong:
		return c, calm(ctx, r.procs, 5*time.Second)
	case <-late.C:
		return c, errors.New("the listener was never let into the room")
	case <-ctx.Done():
		return c, ctx.Err()
	}
}

// publishedType is how what was published begins at a plain WebSocket.
var publishedType = []byte(`{"type":"` + eventName + `"`)

// publisher is what the connections that publish share.
type publisher struct {
	runner  *runner
	padding []byte
	latency histogram
	unheard atomic.Int64
	sent    []int64 // sent[i] belongs to connection i until it is done

	// mu guards the following.
	mu  sync.Mutex
	err error // why the first call failed
}

// publish makes so many calls on connection i, one after the other.
func (p *publisher) publish(ctx context.Context, i int, calls int64) {
	conn := newHTTPConn(p.runner.target)
	conn.header = "Authorization: Bearer " + p.runner.opts.apiKey + "\r\n"
	defer conn.close()
	var body []byte
	for seq := int64(1); seq <= calls; seq++ {
		now := p.runner.clock.now()
		body = append(body[:0], `{"type":"`+eventName+`","data":{`...)
		body = append(appendStamp(body, stamp{sender: int64(i), seq: seq, due: now}, p.padding), `}}`...)
		answer, err := conn.do(ctx, "POST", "/api/publish/room:"+chatRoom, body)
		if err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.err == nil {
				p.err = fmt.Errorf("publish: %w", err)
			}
			return
		}
		p.latency.record(p.runner.clock.now() - now)
		if !bytes.HasPrefix(answer, published) {
			p.unheard.Add(1)
		}
		p.sent[i]++
	}
}
