package recovery

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"signalbox/server/wire"
)

// Log is what a room was sent, from its oldest message that is kept. [Store.mu] guards it.
type Log struct {
	room    Room
	base    uint64 // index of entries[0]
	entries []entry
	bytes   int64
	trimmed uint64 // seq of what was before entries[0]
	early   int    // messages that went before their turn in [Store.order]
}

type entry struct {
	message *wire.Message
	size    int64 // as it was counted
	seq     uint64
	at      time.Duration // since the store was made
}

// Entry is the place of a message in a log.
type Entry struct {
	log        *Log
	index, seq uint64
}

// Seq returns the number of the message: a later one has a higher one.
func (e *Entry) Seq() uint64 { return e.seq }

// Number returns the number of the message with an offset, if it is one of this node.
func (s *Store) Number(offset string) (seq uint64, ok bool) { return parseOffset(s.node, offset) }

// Behind returns what the logs of rooms still have behind a number, in order, of that the last that fits maxBytes; and the number of
// the latest message of all.
func (s *Store) Behind(seq uint64, rooms []Room, maxBytes int) (messages []*wire.Message, latest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []entry
	for _, room := range rooms {
		if l := s.logs[room]; l != nil {
			found = append(found, l.entries[sort.Search(len(l.entries), func(i int) bool { return l.entries[i].seq > seq }):]...)
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(b.seq, a.seq) })
	for _, e := range found {
		if maxBytes -= e.message.Size(); maxBytes < 0 {
			break
		}
		messages = append(messages, e.message)
	}
	slices.Reverse(messages)
	return messages, s.seq
}

// oldest returns when the log's oldest message came.
func (l *Log) oldest() time.Duration {
	if len(l.entries) == 0 {
		return 0
	}
	return l.entries[0].at
}

// trim drops the oldest message and returns what it took.
func (l *Log) trim() int64 {
	e := l.entries[0]
	l.entries[0] = entry{}
	l.entries = l.entries[1:]
	l.trimmed = e.seq
	l.base++
	return e.size
}

// find returns the index of the message with a seq, if it is one of those from first on, n of them.
func (l *Log) find(seq, first, n uint64) (index uint64, ok bool) {
	from, to := max(first, l.base), min(first+n, l.base+uint64(len(l.entries)))
	if from >= to {
		return 0, false
	}
	part := l.entries[from-l.base : to-l.base]
	i := sort.Search(len(part), func(i int) bool { return part[i].seq >= seq })
	if i == len(part) || part[i].seq != seq {
		return 0, false
	}
	return from + uint64(i), true
}

const (
	nodeLength = 4
	seqLength  = 8
	// OffsetLength is the length of an offset: the node's characters, then a number.
	OffsetLength = nodeLength + seqLength
)

func appendOffset(b []byte, node string, seq uint64) []byte {
	b = append(b, node...)
	text := strconv.FormatUint(seq, 36)
	for range seqLength - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}

// parseOffset returns the number of an offset of this node.
func parseOffset(node, offset string) (seq uint64, ok bool) {
	text, ok := strings.CutPrefix(offset, node)
	if !ok || len(text) != seqLength {
		return 0, false
	}
	seq, err := strconv.ParseUint(text, 36, 64)
	return seq, err == nil
}

// queue is logs in the order of their messages.
type queue struct {
	logs []*Log
	head int
}

func (q *queue) len() int    { return len(q.logs) - q.head }
func (q *queue) empty() bool { return q.len() == 0 }
func (q *queue) push(l *Log) { q.logs = append(q.logs, l) }
func (q *queue) first() *Log { return q.logs[q.head] }

func (q *queue) pop() *Log {
	l := q.logs[q.head]
	q.logs[q.head] = nil
	q.head++
	if q.head > 64 && q.head*2 > len(q.logs) {
		q.logs = append(q.logs[:0:0], q.logs[q.head:]...)
		q.head = 0
	}
	return l
}

// NodeOf returns what a pid, or an offset, says of its node.
func NodeOf(text string) string { return text[:min(nodeLength, len(text))] }
