package redislink

import (
	"context"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// A batch is what is written before its answers are read. Larger ones save nothing (a batch of this size is one or a few
	// writes to the kernel) and make what is lost with a connection more.
	batchItems = 512
	batchBytes = 256 << 10
)

// publication is a PUBLISH or SPUBLISH that is used again and again: for each message a command of its own would be four
// allocations.
type publication struct {
	channel, payload string
	args             [3]any
	cmd              *goredis.IntCmd
}

func newPublication() *publication {
	p := &publication{}
	p.args[1], p.args[2] = &p.channel, &p.payload
	p.cmd = goredis.NewIntCmd(context.Background(), p.args[:]...)
	return p
}

func (p *publication) set(i *item) goredis.Cmder {
	p.args[0] = "publish"
	if i.verb == spublish {
		p.args[0] = "spublish"
	}
	p.channel, p.payload = i.channel, view(i.payload)
	return p.cmd
}

func (p *publication) clear() { p.channel, p.payload = "", "" }

// batch writes the first of what is left.
func (w *writer) batch(s sender) error {
	n, bytes, gated := 0, 0, false
	for n < len(w.left) && n < batchItems && (n == 0 || bytes+w.left[n].size <= batchBytes) {
		bytes += w.left[n].size
		gated = gated || w.left[n].gate != nil
		n++
	}
	items := w.left[:n]
	if gated {
		if err := w.ask(s, items); err != nil {
			return err // nothing of it was written: drop counts it
		}
	}
	w.left = w.left[n:]
	w.prepare(items)
	var err error
	if len(w.cmds) > 0 {
		err = s.send(w.kept, w.cmds)
	}
	w.link.queue.free(items)
	w.settle()
	return err
}

// ask puts the question of each gate of the batch, and notes the answers for prepare.
func (w *writer) ask(s sender, items []item) error {
	clear(w.asked)
	var gates [2][]*Gate // plain, sharded
	for i := range items {
		g := items[i].gate
		if _, known := w.asked[g]; known || g == nil {
			continue
		}
		w.asked[g] = true
		if g.Sharded {
			gates[1] = append(gates[1], g)
		} else {
			gates[0] = append(gates[0], g)
		}
	}
	for sharded, gates := range gates {
		if len(gates) == 0 {
			continue
		}
		var channels []string
		for _, g := range gates {
			channels = append(channels, g.Channels...)
		}
		counts, err := s.subscribers(sharded == 1, channels)
		if isReply(err) { // it may not be asked: then somebody may be there
			continue
		}
		if err != nil {
			return err
		}
		for _, g := range gates {
			n := len(g.Channels)
			w.asked[g] = g.Decide(counts[:n:n])
			counts = counts[n:]
		}
	}
	return nil
}

// prepare makes a command of each item that no gate has dropped.
func (w *writer) prepare(items []item) {
	w.kept, w.cmds = w.kept[:0], w.cmds[:0]
	w.used = 0
	for i := range items {
		it := &items[i]
		if it.gate != nil && !w.asked[it.gate] {
			it.finish(nil, ErrNotWanted)
			continue
		}
		var cmd goredis.Cmder
		if it.verb == command {
			cmd = goredis.NewCmd(context.Background(), it.args...)
		} else {
			if w.used == len(w.pool) {
				w.pool = append(w.pool, newPublication())
			}
			cmd = w.pool[w.used].set(it)
			w.used++
		}
		cmd.SetErr(errUnanswered)
		w.kept, w.cmds = append(w.kept, it), append(w.cmds, cmd)
	}
}

// settle counts and tells what became of the batch.
func (w *writer) settle() {
	lost := 0
	for _, cmd := range w.cmds {
		switch err := cmd.Err(); {
		case isBroken(err):
			lost++
		case turnsAway(err):
			w.link.doubt()
		}
	}
	w.link.sent.Add(uint64(len(w.cmds) - lost))
	w.link.queue.lost.Add(uint64(lost))
	for i, cmd := range w.cmds {
		if w.kept[i].done == nil {
			continue
		}
		switch err := cmd.Err(); {
		case isBroken(err):
			w.kept[i].done(nil, awayWith(err))
		case err != nil:
			w.kept[i].done(nil, err)
		default:
			w.kept[i].done(replyOf(cmd), nil)
		}
	}
	clear(w.cmds)
	for _, p := range w.pool[:w.used] {
		p.clear()
	}
}

// replyOf returns the reply to a command. That to a publication means nothing: subscribers on other nodes of a Redis Cluster are
// not in it.
func replyOf(cmd goredis.Cmder) any {
	if c, ok := cmd.(*goredis.Cmd); ok {
		return c.Val()
	}
	return nil
}

// drop counts all that waits as lost, once Redis is away.
func (w *writer) drop() {
	for {
		for i := range w.left {
			w.left[i].finish(nil, ErrAway)
		}
		w.link.queue.lost.Add(uint64(len(w.left)))
		w.link.queue.free(w.left)
		w.left = nil
		if w.taken = w.link.queue.take(w.reuse()); len(w.taken) == 0 {
			w.link.queue.awake()
			return
		}
		w.left = w.taken
	}
}
