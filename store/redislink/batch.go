package redislink

const (
	// A batch is what is written before its answers are read. Larger ones save nothing (a batch of this size is one or a few
	// writes to the kernel) and make what is lost with a connection more.
	batchItems = 512
	batchBytes = 256 << 10
)

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
			return err // nothing of it was written
		}
	}
	w.left = w.left[n:]
	w.prepare(items)
	var err error
	if len(w.kept) > 0 {
		err = s.send(w.kept)
	}
	w.link.queue.free(items)
	w.settle(err)
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
		counts, err := s.numSubs(sharded == 1, channels)
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

// prepare keeps what no gate has dropped.
func (w *writer) prepare(items []item) {
	w.kept = w.kept[:0]
	for i := range items {
		it := &items[i]
		if it.gate != nil && !w.asked[it.gate] {
			it.finish(nil, ErrNotWanted)
			continue
		}
		it.err = errUnanswered
		w.kept = append(w.kept, it)
	}
}

// settle counts and tells what became of the batch; err says why some of it was not answered.
func (w *writer) settle(err error) {
	lost := 0
	for _, it := range w.kept {
		switch {
		case it.err == errUnanswered:
			lost++
		case turnsAway(it.err):
			w.link.doubt()
		}
	}
	w.link.sent.Add(uint64(len(w.kept) - lost))
	w.link.queue.lost.Add(uint64(lost))
	for _, it := range w.kept {
		if it.err == errUnanswered {
			it.err = awayWith(err)
		}
		it.finish(it.reply, it.err)
	}
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
