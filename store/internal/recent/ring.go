package recent

// Entry is one message as it is held: ready-made JSON, and what it is found by.
type Entry struct {
	ID    string
	JSON  string
	Milli int64 // milliseconds since 1970, UTC
}

// entryBytes is what an entry costs beside its text: its slot in the ring.
const entryBytes = 40

// Bytes returns what the entry counts for against the byte limits.
func (e *Entry) Bytes() int64 { return int64(len(e.ID)+len(e.JSON)) + entryBytes }

// minSlots is the smallest ring that is allocated: most rooms of a busy server are small ones.
const minSlots = 4

// ring is a double-ended queue of entries. The length of slots is a power of two, or zero.
type ring struct {
	slots []Entry
	head  int // index of the oldest entry
	n     int
}

func (q *ring) at(i int) *Entry { return &q.slots[(q.head+i)&(len(q.slots)-1)] }

func (q *ring) pushBack(e Entry) {
	q.grow()
	q.n++
	*q.at(q.n - 1) = e
}

// popFront takes the oldest entry. The ring must not be empty.
func (q *ring) popFront() Entry {
	e := q.slots[q.head]
	q.slots[q.head] = Entry{} // or the text would stay reachable
	q.head = (q.head + 1) & (len(q.slots) - 1)
	q.n--
	// A burst may have held far more than the room's bound for a moment; at a quarter, half of the room is given back.
	if len(q.slots) > 16*minSlots && q.n <= len(q.slots)/4 {
		q.resize(len(q.slots) / 2)
	}
	return e
}

func (q *ring) grow() {
	if q.n == len(q.slots) {
		q.resize(max(minSlots, 2*len(q.slots)))
	}
}

func (q *ring) resize(slots int) {
	next := make([]Entry, slots)
	k := copy(next[:q.n], q.slots[q.head:])
	copy(next[k:q.n], q.slots)
	q.slots, q.head = next, 0
}
