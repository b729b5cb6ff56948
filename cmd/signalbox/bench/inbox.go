package bench

import "sync"

// Counts says what became of the messages of a scenario.
type Counts struct {
	Expected  int64 `json:"expected"`  // messages that should have arrived
	Delivered int64 `json:"delivered"` // different messages that did
	Lost      int64 `json:"lost"`
	Doubled   int64 `json:"doubled"`
	Reordered int64 `json:"reordered"` // arrived after one that was sent later by the same sender
	Stray     int64 `json:"stray"`     // arrived at the wrong client, or never sent
	Corrupt   int64 `json:"corrupt"`   // arrived changed
}

// add adds up the counts of several receivers.
func (c *Counts) add(o Counts) {
	c.Expected += o.Expected
	c.Delivered += o.Delivered
	c.Lost += o.Lost
	c.Doubled += o.Doubled
	c.Reordered += o.Reordered
	c.Stray += o.Stray
	c.Corrupt += o.Corrupt
}

// clean reports whether everything arrived once, in order and unchanged.
func (c Counts) clean() bool {
	return c.Lost == 0 && c.Doubled == 0 && c.Reordered == 0 && c.Stray == 0 && c.Corrupt == 0
}

// inbox keeps account of what one receiver got from the one sender it listens to.
type inbox struct {
	sender int64
	limit  int64 // highest sequence number that may come; they start at 1

	// mu guards the following.
	mu      sync.Mutex
	seen    []uint64 // a bit per sequence number
	highest int64
	got     Counts
}

// newInbox makes the account for messages 1 to limit of a sender.
func newInbox(sender, limit int64) *inbox {
	return &inbox{sender: sender, limit: limit, seen: make([]uint64, limit/64+1)}
}

// record notes an arrival and reports whether it is a message not seen before.
func (b *inbox) record(m stamp) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !m.intact:
		b.got.Corrupt++
		return false
	case m.sender != b.sender || m.seq < 1 || m.seq > b.limit:
		b.got.Stray++
		return false
	}
	word, bit := m.seq/64, uint64(1)<<(m.seq%64)
	if b.seen[word]&bit != 0 {
		b.got.Doubled++
		return false
	}
	b.seen[word] |= bit
	b.got.Delivered++
	if m.seq < b.highest {
		b.got.Reordered++
	} else {
		b.highest = m.seq
	}
	return true
}

// counts closes the account: sent is how many messages the sender really sent.
func (b *inbox) counts(sent int64) Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.got
	c.Expected = sent
	c.Lost = max(sent-c.Delivered, 0)
	return c
}
