package cluster

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/store/redislink"
)

// This file is the streams mode: what is sent goes through a stream of Redis that all nodes read, so that all have it in one order.
// What this node has sent itself is given to its members when it comes back.

const (
	// streamPatience is how long messages wait while Redis is away until they go to the members of this node alone, and
	// maxStreamWait how many bytes may.
	streamPatience = 4 * time.Second
	maxStreamWait  = 16 << 20
	// maxStreamSenders bounds of how many servers it is known what they have sent last.
	maxStreamSenders = 1000
	// streamNumber is the field with the number of a message among those of its node, which makes one that is written twice known.
	streamNumber = "sb"
	// Types of entries. Those of Tell are for signalbox nodes: they have no namespace, so that Node servers pass them over.
	streamBroadcast = "3"
	streamTell      = "T"
)

// stream is the stream of a cluster.
type stream struct {
	// Static after construction.
	cluster  *Cluster
	key      string
	maxLen   int
	patience time.Duration // how long messages wait while Redis is away

	seconds atomic.Int64 // how long a time the entries are of; -1: not known

	// Guarded by Cluster.receiving.
	heard map[string]uint64 // by the uid of a node: the number of its latest message
	last  redislink.StreamID

	mu sync.Mutex
	// mu guards the following.
	number  uint64
	own     []*streamed // those of this node that have not come back, in order
	epoch   uint64      // when those that are with Redis were given to it: one more than redislink.Link.Downs
	waiting int         // of own: those not given to Redis
	bytes   int         // of those
	timer   *time.Timer
	begun   bool // what is written comes back
	ended   bool
}

// streamed is a message of this node on its way through the stream.
type streamed struct {
	// Static after construction.
	space     *space // of a message
	here      bool   // it is for members of this node too
	namespace string // "": of signalbox nodes alone
	kind      string
	data      []byte
	except    []*hub.Member
	count     uint64 // the question for how many it is queued; 0: nobody asks
	channels  []string
	counted   func(subscribers []int64, err error)

	// stream.mu guards the following.
	number uint64
	queued bool // given to Redis
	epoch  uint64
	at     time.Time
}

func newStream(c *Cluster, key string, maxLen int) *stream {
	st := &stream{cluster: c, key: key, maxLen: maxLen, patience: streamPatience, heard: make(map[string]uint64)}
	st.seconds.Store(-1)
	return st
}

// send has a message written to the stream. here: members of this node are among those that sel selects.
func (st *stream) send(s *space, sel hub.Selection, msg *hub.Message, counts bool, tell func(delivered int, complete bool), here bool) {
	c := st.cluster
	o := outgoings.Get().(*outgoing)
	defer func() {
		*o = outgoing{name: o.name[:0]}
		outgoings.Put(o)
	}()
	c.fill(o, s, sel, msg)
	e := &streamed{space: s, here: here, namespace: s.name, kind: streamBroadcast, except: slices.Clone(sel.ExceptMembers)}
	if counts {
		patience := c.patience()
		if !c.link.Up() {
			patience += st.patience
		}
		e.count = c.askCount(patience, msg, tell)
		if !msg.Foreign { // signalbox nodes do not answer that
			o.ext.CountID, o.ext.Node = strconv.FormatUint(e.count, 16), c.id
		}
		sel.ExceptMembers = nil
		e.channels, e.counted = s.counted(), func(n []int64, err error) { st.expect(s, sel, e.count, msg.Foreign, n, err) }
	}
	var err error
	if e.data, err = format.AppendStream(nil, &o.b); err != nil {
		c.unwritable(s, err)
		c.questions.fail(e.count)
		return
	}
	st.put(e)
}

// expect says how many answers a counted message gets.
func (st *stream) expect(s *space, sel hub.Selection, id uint64, toForeign bool, n []int64, err error) {
	if err != nil || len(n) == 0 {
		return // it is written again, or goes to members of this node alone
	}
	c := st.cluster
	foreign, all := s.count(n)
	want := int(n[len(n)-1])
	if toForeign {
		want = 0
	}
	if foreign == 0 {
		c.questions.expect(id, want, all)
		return
	}
	c.questions.expect(id, want+1, all)
	c.countForeign(s, sel, int(foreign), id)
}

// ask sends a request: what is to be in order with messages goes through the stream.
func (st *stream) ask(s *space, r *format.Request) bool {
	if !r.Type.IsStreamed() {
		b, err := format.AppendPackedRequest(nil, r)
		return err == nil && st.cluster.publish(false, s.channels.base, b)
	}
	kind, data, err := format.AppendStreamRequest(nil, r)
	return err == nil && st.put(&streamed{namespace: s.name, kind: strconv.Itoa(kind), data: data})
}

// put has a message written behind all before it, at once or when Redis is back. It never waits.
func (st *stream) put(e *streamed) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended {
		return false
	}
	st.number++
	e.number, e.at = st.number, time.Now()
	epoch := st.cluster.link.Downs() + 1 // first: who goes away behind this does not write it
	if len(st.own) == 0 {
		st.epoch = epoch
	}
	st.own = append(st.own, e)
	if st.waiting > 0 || st.epoch != epoch || !st.begun || !st.cluster.link.Up() || !st.enqueueLocked(e, epoch) {
		st.waitLocked(e)
	}
	return true
}

func (st *stream) enqueueLocked(e *streamed, epoch uint64) bool {
	args := []any{"xadd", st.key, "maxlen", "~", st.maxLen, "*", "uid", st.cluster.uid}
	if e.namespace != "" {
		args = append(args, "nsp", e.namespace)
	}
	args = append(args, "type", e.kind, "data", e.data, streamNumber, strconv.FormatUint(e.number, 10))
	e.queued, e.epoch = true, epoch
	c := redislink.Command{Args: args, Only: epoch, Done: func(_ any, err error) { st.written(e, epoch, err) }}
	if st.cluster.link.EnqueueCounted(c, e.channels, e.counted) {
		return true
	}
	e.queued = false
	return false
}

// written is told what became of an entry.
func (st *stream) written(e *streamed, epoch uint64, err error) {
	if err == nil {
		st.cluster.stats.published.Add(1)
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, there := st.findLocked(e.number); there && e.queued && e.epoch == epoch { // else it has come back all the same, or was written again
		e.queued = false
		st.waitLocked(e)
	}
}

// waitLocked notes that an entry is not with Redis.
func (st *stream) waitLocked(e *streamed) {
	st.waiting++
	st.bytes += len(e.data)
	due := time.Until(e.at.Add(st.patience))
	if s := st.cluster.link.Stats(); !s.Up && time.Since(s.Since) > st.patience || st.bytes > maxStreamWait {
		due = 0
	}
	if st.waiting > 1 && due > 0 || st.ended {
		return // an earlier one's time is over first
	}
	if st.timer == nil {
		st.timer = time.AfterFunc(due, st.giveUp)
	} else {
		st.timer.Reset(due)
	}
}

// giveUp sends what waits to the members of this node alone.
func (st *stream) giveUp() {
	c := st.cluster
	c.receiving.Lock()
	defer c.receiving.Unlock()
	st.mu.Lock()
	var waiting []*streamed
	st.own = slices.DeleteFunc(st.own, func(e *streamed) bool {
		if !e.queued {
			waiting = append(waiting, e)
		}
		return !e.queued
	})
	st.waiting, st.bytes = 0, 0
	st.mu.Unlock()
	for _, e := range waiting {
		c.stats.lost.Add(1)
		c.guarded("a message of this server", func() {
			if b := st.broadcast(e); b != nil {
				st.deliverOwn(e, "", b)
			}
		})
		c.questions.fail(e.count)
	}
}

// flush gives to Redis what waits. All that the stream has was read.
func (st *stream) flush() {
	st.mu.Lock()
	defer st.mu.Unlock()
	epoch := st.cluster.link.Downs() + 1
	if st.waiting == 0 && st.epoch == epoch || !st.cluster.link.Up() {
		return
	}
	for _, e := range st.own {
		waits := !e.queued
		if !waits && e.epoch == epoch {
			continue
		}
		if !st.enqueueLocked(e, epoch) {
			if !waits {
				st.waitLocked(e)
			}
			return
		}
		if waits {
			st.waiting--
			st.bytes -= len(e.data)
		}
	}
	st.epoch = epoch
	if st.timer != nil {
		st.timer.Stop()
	}
}

// take takes a message out that has come back, nil: it has been given to members here before, or is no message of this process.
func (st *stream) take(number uint64) *streamed {
	st.mu.Lock()
	defer st.mu.Unlock()
	i, found := st.findLocked(number)
	if !found {
		return nil
	}
	e := st.own[i]
	if !e.queued {
		st.waiting--
		st.bytes -= len(e.data)
	}
	if i == 0 { // nearly always
		st.own[0], st.own = nil, st.own[1:]
	} else {
		st.own = slices.Delete(st.own, i, i+1)
	}
	return e
}

func (st *stream) findLocked(number uint64) (i int, found bool) {
	return slices.BinarySearchFunc(st.own, number, func(e *streamed, n uint64) int { return cmp.Compare(e.number, n) })
}

// measure finds out how long a time the stream is of.
func (st *stream) measure(ctx context.Context) {
	replies, err := st.cluster.link.DoAll(ctx, []any{"xrange", st.key, "-", "+", "count", 1}, []any{"xrevrange", st.key, "+", "-", "count", 1},
		[]any{"xlen", st.key})
	if err != nil {
		return
	}
	oldest, _ := redislink.StreamEntries(replies[0])
	newest, _ := redislink.StreamEntries(replies[1])
	seconds := int64(0)
	if len(oldest) > 0 && len(newest) > 0 {
		seconds = int64(newest[0].ID.Millis-oldest[0].ID.Millis) / 1000
	}
	if st.seconds.Swap(seconds) < 0 {
		st.cluster.log.Info("the stream of the cluster", "entries", replies[2], "seconds", seconds, "kept", st.maxLen)
	}
}

// start has the stream read from now on.
func (st *stream) start() {
	st.cluster.link.ReadStream(st.key, st.read)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.begun = true
}

// read handles entries of the stream, with none where there are no more for now.
func (st *stream) read(entries []redislink.StreamEntry) {
	c := st.cluster
	c.receiving.Lock()
	defer c.receiving.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	for i := range entries {
		e := &entries[i]
		c.guarded("a message of another server", func() { st.receive(e) })
		st.last = e.ID
	}
	if len(entries) == 0 {
		st.flush()
	}
}

// receive handles one entry.
func (st *stream) receive(e *redislink.StreamEntry) {
	uid := e.Field("uid")
	n, err := strconv.ParseUint(e.Field(streamNumber), 10, 64)
	switch numbered := err == nil; {
	case uid == st.cluster.uid:
		if own := st.take(n); own != nil && own.kind == streamBroadcast {
			st.receiveOwn(e, own)
		}
	case numbered && n <= st.heard[uid]: // it was written twice
	default:
		if numbered {
			if len(st.heard) >= maxStreamSenders {
				clear(st.heard)
			}
			st.heard[uid] = n
		}
		st.cluster.note("entry", st.receiveOther(e, uid))
	}
}

func (st *stream) receiveOwn(e *redislink.StreamEntry, own *streamed) {
	if b := st.broadcast(own); b != nil && !st.cluster.takeMark(st.key, b) {
		st.deliverOwn(own, st.offset(e.ID), b)
	}
}

// broadcast reads what this node has written, nil where that is no broadcast.
func (st *stream) broadcast(own *streamed) *format.Peeked {
	env, err := format.ParseStream(st.cluster.uid, namespaceOr(own.namespace), own.kind, own.data)
	if err != nil {
		return nil
	}
	return env.Broadcast
}

func (st *stream) receiveOther(e *redislink.StreamEntry, uid string) error {
	c := st.cluster
	namespace, kind, data := e.Field("nsp"), e.Field("type"), []byte(e.Field("data"))
	if kind == streamTell {
		return c.takeTell(data)
	}
	s := c.space(namespace) // that of topics without a namespace
	if s == nil {
		return nil
	}
	env, err := format.ParseStream(uid, namespaceOr(namespace), kind, data)
	if err != nil {
		return err
	}
	switch b := env.Broadcast; {
	case b != nil && b.RequestID != "":
		return c.carryOut(s, asked(b))
	case b != nil:
		return c.deliver(s, st.key, st.offset(e.ID), b)
	case env.Request != nil:
		return c.carryOut(s, env.Request)
	case env.Response != nil:
		c.gatherings.answer(env.Response.ID, env.Response)
	}
	return nil
}

// offset returns what clients are told of an entry, "" where the stream runs backwards.
func (st *stream) offset(id redislink.StreamID) string {
	if !st.last.Before(id) {
		return ""
	}
	return id.String()
}

// deliverOwn gives a message of this node to its members, and counts them.
func (st *stream) deliverOwn(e *streamed, offset string, p *format.Peeked) {
	c := st.cluster
	if e.space == nil || p.Ext == nil {
		return
	}
	delivered, held := 0, 0
	if e.here && !p.Ext.Foreign {
		var err error
		if delivered, held, err = c.sendHere(e.space, st.key, offset, p, e.except); err != nil {
			c.note("own message", err)
		}
	}
	if e.count == 0 || p.Ext.Foreign || !e.space.member.Load() {
		return
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(delivered))
	c.questions.answer(e.count, binary.BigEndian.AppendUint64(b, uint64(held)))
}

// end ends what waits for Redis.
func (st *stream) end() {
	if st == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ended = true
	if st.timer != nil {
		st.timer.Stop()
	}
}

func namespaceOr(namespace string) string {
	if namespace == "" {
		return rootNamespace
	}
	return namespace
}
