package measure

import (
	"sync"

	"signalbox/cmd/signalbox-bench/client"
)

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

// Add adds up the counts of several receivers.
func (c *Counts) Add(o Counts) {
	c.Expected += o.Expected
	c.Delivered += o.Delivered
	c.Lost += o.Lost
	c.Doubled += o.Doubled
	c.Reordered += o.Reordered
	c.Stray += o.Stray
	c.Corrupt += o.Corrupt
}

// Clean reports whether everything arrived once, in order and unchanged.
func (c Counts) Clean() bool {
	return c.Lost == 0 && c.Doubled == 0 && c.Reordered == 0 && c.Stray == 0 && c.Corrupt == 0
}

// Inbox keeps account of what one receiver got from the one sender it listens to.
type Inbox struct {
	sender int64
	Limit  int64 // highest sequence number that may come; they start at 1

	// mu guards the following.
	mu      sync.Mutex
	seen    []uint64 // a bit per sequence number
	highest int64
	got     Counts
}

// NewInbox makes the account for messages 1 to limit of a sender.
func NewInbox(sender, limit int64) *Inbox {
	return &Inbox{sender: sender, Limit: limit, seen: make([]uint64, limit/64+1)}
}

// Record notes an arrival and reports whether it is a message not seen before.
func (b *Inbox) Record(m client.Stamp) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !m.Intact:
		b.got.Corrupt++
		return false
	case m.Sender != b.sender || m.Seq < 1 || m.Seq > b.Limit:
		b.got.Stray++
		return false
	}
	word, bit := m.Seq/64, uint64(1)<<(m.Seq%64)
	if b.seen[word]&bit != 0 {
		b.got.Doubled++
		return false
	}
	b.seen[word] |= bit
	b.got.Delivered++
	if m.Seq < b.highest {
		b.got.Reordered++
	} else {
		b.highest = m.Seq
	}
	return true
}

// Counts closes the account: sent is how many messages the sender really sent.
func (b *Inbox) Counts(sent int64) Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.got
	c.Expected = sent
	c.Lost = max(sent-c.Delivered, 0)
	return c
}
