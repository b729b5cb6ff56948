package conn

import (
	"sync"

	"signalbox/server/wire"
)

// batchLen makes a batch 144 bytes: bursts to one client are longer, and take several.
const batchLen = 16

// batch is a piece of an outbox. Batches are borrowed while something is queued: an idle connection has none.
type batch struct {
	next *batch
	n    int
	msgs [batchLen]*wire.Message
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) release() {
	clear(b.msgs[:b.n])
	b.next, b.n = nil, 0
	batches.Put(b)
}

// queue is a list of messages in the order in which they leave.
type queue struct {
	head, tail *batch
}

func (q *queue) empty() bool { return q.head == nil }

func (q *queue) push(m *wire.Message) {
	if q.tail == nil || q.tail.n == batchLen {
		b := batches.Get().(*batch)
		if q.tail == nil {
			q.head = b
		} else {
			q.tail.next = b
		}
		q.tail = b
	}
	q.tail.msgs[q.tail.n] = m
	q.tail.n++
}

// pushFront puts m before all others.
func (q *queue) pushFront(m *wire.Message) {
	b := batches.Get().(*batch)
	b.msgs[0], b.n, b.next = m, 1, q.head
	q.head = b
	if q.tail == nil {
		q.tail = b
	}
}

// pop takes the first message of a queue that is not empty.
func (q *queue) pop() *wire.Message {
	b := q.head
	m := b.msgs[0]
	copy(b.msgs[:], b.msgs[1:b.n])
	b.n--
	b.msgs[b.n] = nil
	if b.n == 0 {
		if q.head = b.next; q.head == nil {
			q.tail = nil
		}
		b.release()
	}
	return m
}

// take returns the whole list and leaves an empty one.
func (q *queue) take() queue {
	taken := *q
	*q = queue{}
	return taken
}

// drop releases all that is queued and returns its size.
func (q *queue) drop() (bytes int) {
	for b := q.head; b != nil; {
		next := b.next
		for _, m := range b.msgs[:b.n] {
			bytes += m.Size()
		}
		b.release()
		b = next
	}
	*q = queue{}
	return bytes
}

// cursor is a place in a queue that is being written to a connection: everything before it has left.
type cursor struct {
	queue
	msg  int // in queue.head
	part int // in the message
	off  int // in the part's frame
}

// frame returns what is left of the frame at the cursor, or nil at the end of the queue.
func (c *cursor) frame() []byte {
	if c.head == nil {
		return nil
	}
	return c.head.msgs[c.msg].Parts()[c.part].Frame()[c.off:]
}

// gather copies frames from the cursor on into buf until the next does not fit whole, and returns what it copied. It
// does not move the cursor. A first frame that does not fit is returned itself.
func (c *cursor) gather(buf []byte) []byte {
	first := c.frame()
	if len(first) > len(buf) {
		return first
	}
	n := 0
	msg, part, off := c.msg, c.part, c.off
	for b := c.head; b != nil; b, msg = b.next, 0 {
		for ; msg < b.n; msg++ {
			parts := b.msgs[msg].Parts()
			for ; part < len(parts); part++ {
				frame := parts[part].Frame()[off:]
				if len(frame) > len(buf)-n {
					return buf[:n]
				}
				n += copy(buf[n:], frame)
				off = 0
			}
			part = 0
		}
	}
	return buf[:n]
}

// advance moves the cursor over n written bytes and releases the batches behind it. It returns how many messages were
// completed.
func (c *cursor) advance(n int) (messages int) {
	for c.head != nil {
		b := c.head
		for c.msg < b.n {
			parts := b.msgs[c.msg].Parts()
			for c.part < len(parts) {
				left := len(parts[c.part].Frame()) - c.off
				if n < left {
					c.off += n
					return messages
				}
				n -= left
				c.part, c.off = c.part+1, 0
			}
			c.msg, c.part = c.msg+1, 0
			messages++
		}
		c.head, c.msg = b.next, 0
		b.release()
	}
	c.tail = nil
	return messages
}
