package redislink

const (
	// A batch is what is written before its answers are read. Larger ones save nothing (a batch of this size is one or a few
	// writes to the kernel) and make what is lost with a connection more.
	batchItems = 512
	batchBytes = 256 << 10
)

// batch writes the first of what is left.
func (w *writer) batch(s sender) error {
	n, bytes := 0, 0
	for n < len(w.left) && n < batchItems && (n == 0 || bytes+w.left[n].size <= batchBytes) {
		bytes += w.left[n].size
		n++
	}
	items := w.left[:n]
	w.left = w.left[n:]
	w.sent = w.sent[:0]
	for i := range items {
		it := &items[i]
		if it.only != 0 && it.only != w.link.Downs()+1 {
			it.finish(nil, ErrAway)
			continue
		}
		it.err = errUnanswered
		w.sent = append(w.sent, it)
	}
	err := s.send(w.sent)
	w.link.queue.free(items)
	w.settle(err)
	return err
}

// settle counts and tells what became of the batch; err says why some of it was not answered.
func (w *writer) settle(err error) {
	lost := 0
	for _, it := range w.sent {
		switch {
		case it.err == errUnanswered:
			lost++
		case turnsAway(it.err):
			w.link.doubt()
		}
	}
	w.link.sent.Add(uint64(len(w.sent) - lost))
	w.link.queue.lost.Add(uint64(lost))
	for _, it := range w.sent {
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
