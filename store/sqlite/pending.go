package sqlite

import (
	"slices"

	"signalbox/store"
)

// entryBytes is what a message counts for beside its ID and its JSON.
const entryBytes = 40

// entry is one message of a room.
type entry struct {
	room string
	seq  int64 // grows with every message of any room
	store.Message
}

func (e *entry) bytes() int64 { return messageBytes(e.Message) }

func messageBytes(m store.Message) int64 { return int64(len(m.ID)+len(m.JSON)) + entryBytes }

// pending are the messages that are not on disk yet, all of them in their order and those of each room in theirs. The
// first ones may be on their way to the disk.
type pending struct {
	queue   []entry
	rooms   map[string][]entry // read by others without a lock: what is there is never changed in place
	bytes   int64
	writing int // so many of the queue are being written
}

func newPending() pending { return pending{rooms: map[string][]entry{}} }

func (p *pending) add(e entry) {
	p.queue = append(p.queue, e)
	p.rooms[e.room] = append(p.rooms[e.room], e)
	p.bytes += e.bytes()
}

// batch returns the oldest messages, as many as one transaction takes. They stay until done is called.
func (p *pending) batch(dst []entry) []entry {
	size := int64(0)
	for i := range p.queue {
		if size += p.queue[i].bytes(); i == batchMessages || i > 0 && size > batchBytes {
			break
		}
		dst = append(dst, p.queue[i])
	}
	p.writing = len(dst)
	return dst
}

// done ends what batch has begun. written: the messages of the batch are on disk and wait no more.
func (p *pending) done(written bool) {
	n := p.writing
	p.writing = 0
	if !written {
		return
	}
	for i := range p.queue[:n] {
		p.forget(&p.queue[i])
	}
	p.queue = slices.Delete(p.queue, 0, n)
}

// giveUp drops the oldest message that is not being written, and reports whether there was one.
func (p *pending) giveUp() bool {
	if len(p.queue) <= p.writing {
		return false
	}
	p.forget(&p.queue[p.writing])
	p.queue = slices.Delete(p.queue, p.writing, p.writing+1)
	return true
}

// forget takes a message out of its room.
func (p *pending) forget(e *entry) {
	p.bytes -= e.bytes()
	room := p.rooms[e.room]
	switch {
	case len(room) == 1:
		delete(p.rooms, e.room)
	case room[0].seq == e.seq:
		p.rooms[e.room] = room[1:]
	default: // an older one is being written
		at, _ := slices.BinarySearchFunc(room, e.seq, func(e entry, seq int64) int { return int(e.seq - seq) })
		p.rooms[e.room] = slices.Concat(room[:at], room[at+1:])
	}
}
