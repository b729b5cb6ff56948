package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// errNoAPIKey is the error of publish.
var errNoAPIKey = errors.New("it needs the API: give the server's API_KEY as --api-key or in the environment")

// published is how the answer to a call begins that reached the one listener.
var published = []byte(`{"ok":true,"delivered":1`)

// runPublish publishes to a room with one listener, on every connection the next message when the last was answered.
func runPublish(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	if o.apiKey == "" {
		return errNoAPIKey
	}
	n := o.publishClients
	each := int64(max(o.publishCalls/n, 1))
	total := each * int64(n)
	res.About = fmt.Sprintf("%d connections, %d calls, one plain WebSocket listens", n, total)
	a := newArrivals(n, each, o.PadBytes, func(i int) int64 { return int64(i) }) // one account per sender, one listener
	listener, err := r.listen(ctx, a)
	defer listener.Close()
	if err != nil {
		return err
	}
	r.Progress.watch("publishes", &a.delivered, total)
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
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
	if err := m.End(Await(ctx, &a.delivered, sent, o.quiet)); err != nil {
		return err
	}
	err = a.finish(ctx, res, func(i int) int64 { return p.sent[i] })
	res.Latency = p.latency.Latency() // of the calls, not of the deliveries
	res.Disconnected = listener.gone.Load()
	if n := p.unheard.Load(); n > 0 {
		res.Note(fmt.Sprintf("%d calls did not reach the listener, as their answers say", n))
	}
	m.Fill(res)
	return errors.Join(err, p.err)
}

// listen connects the one listener to the room.
func (r *Runner) listen(ctx context.Context, a *arrivals) (*crowd, error) {
	pong := make(chan struct{}, 1)
	c := r.Connect(ctx, 1, 1, client.Options{Door: client.Text, BufBytes: roomBuffer}, func(int) client.Callbacks {
		return client.Callbacks{Event: func(at int64, text []byte) {
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
			if m := client.FindStamp(text, a.padding); m.Sender >= 0 && m.Sender < int64(len(a.inboxes)) {
				a.record(int(m.Sender), at, m)
			}
		}}
	})
	if err := c.Need(); err != nil {
		return c, err
	}
	if err := c.Clients[0].Send(fmt.Appendf(nil, joinText, chatRoom)); err != nil {
		return c, err
	}
	if err := c.Clients[0].Send(askText); err != nil {
		return c, err
	}
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case <-pong:
		return c, measure.Calm(ctx, r.procs, 5*time.Second)
	case <-late.C:
		return c, errors.New("the listener was never let into the room")
	case <-ctx.Done():
		return c, ctx.Err()
	}
}

// publishedType is how what was published begins at a plain WebSocket.
var publishedType = []byte(`{"type":"` + client.EventName + `"`)

// publisher is what the connections that publish share.
type publisher struct {
	runner  *Runner
	padding []byte
	latency measure.Histogram
	unheard atomic.Int64
	sent    []int64 // sent[i] belongs to connection i until it is done

	// mu guards the following.
	mu  sync.Mutex
	err error // why the first call failed
}

// publish makes so many calls on connection i, one after the other.
func (p *publisher) publish(ctx context.Context, i int, calls int64) {
	conn := client.NewHTTPConn(p.runner.Target)
	conn.Header = "Authorization: Bearer " + p.runner.Opts.apiKey + "\r\n"
	defer conn.Close()
	var body []byte
	for seq := int64(1); seq <= calls; seq++ {
		now := p.runner.clock.Now()
		body = append(body[:0], `{"type":"`+client.EventName+`","data":{`...)
		body = append(client.AppendStamp(body, client.Stamp{Sender: int64(i), Seq: seq, Due: now}, p.padding), `}}`...)
		answer, err := conn.Do(ctx, "POST", "/api/publish/room:"+chatRoom, body)
		if err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.err == nil {
				p.err = fmt.Errorf("publish: %w", err)
			}
			return
		}
		p.latency.Record(p.runner.clock.Now() - now)
		if !bytes.HasPrefix(answer, published) {
			p.unheard.Add(1)
		}
		p.sent[i]++
	}
}
