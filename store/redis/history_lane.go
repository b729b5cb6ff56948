package redis

import (
	"errors"
	"strings"
	"time"

	"signalbox/internal/backoff"
	"signalbox/store/internal/list"
	"signalbox/store/internal/recent"
	"signalbox/store/redislink"
)

const (
	// While what has waited is written, at most this much is on its way, so that it does not fill the link's queue.
	maxSentBytes = 4 << 20
	// A write that failed is tried again after minRetry, then after twice that, up to maxRetry.
	minRetry = 20 * time.Millisecond
	maxRetry = time.Second
	// maxRefusals is how often Redis may refuse a message for what it is, before it is given up.
	maxRefusals = 3

	// A room that nobody wrote to for historyRoomLife goes. Its keys have a day more to live, for they are given it once a day.
	historyRoomLife = 30 * 24 * time.Hour
	historyKeyLife  = historyRoomLife + 24*time.Hour
	historyMarkLife = 24 * time.Hour
)

// write is a message on its way to Redis.
type write struct {
	place    *place
	entry    recent.Entry
	seq      int64 // counts the messages of this node
	prev     int64 // of the message that was sent before it; below zero: it names none
	head     string
	refusals int
	settled  bool              // written, or given up
	item     list.Item[*write] // its place among those of its lane
}

// writes are messages in their order.
type writes = list.List[*write]

// lane takes the messages of some rooms to Redis, in order and each once.
//
// Many may be on their way at a time. So that none can overtake another that fails (because Redis does not know the
// script yet, say), each names the one before it, and Redis, which notes the number of the newest it was given, refuses
// it where that one is missing. When something comes back as not written, nothing more is sent until all has come back;
// then everything unwritten is sent again. What was written after all, because only the answer was lost, has a number
// that Redis has noted, and nothing happens. The first message after such a stop names none before it, and brings the
// script itself along.
type lane struct {
	sent     writes // on their way, or, where the lane is broken, to be sent again
	waiting  writes // to be sent, after those
	onTheWay int
	broken   bool  // something was not written
	failed   bool  // and not just for want of the script
	newest   int64 // number of the message that was sent last; 0: the next one names none
	pause    pause
	inRedis  sums
}

// busy reports whether a message must wait behind others.
func (l *lane) busy() bool { return l.broken || l.waiting.Len() > 0 }

// pause is a time in which something is not tried again, because it has failed. Each is twice as long as the one before.
type pause struct {
	length backoff.Pause
	until  time.Time
}

// begin begins a pause.
func (p *pause) begin() {
	p.length.Least, p.length.Most = minRetry, maxRetry
	p.until = time.Now().Add(p.length.Next())
}

// end ends it; the next one is a short one again.
func (p *pause) end() { *p = pause{} }

// queueLocked sends a new message, or lets it wait.
func (h *History) queueLocked(w *write) {
	l := &h.lanes[w.place.lane]
	if !l.busy() && !h.full {
		if h.sendLocked(l, w) {
			l.sent.Push(&w.item)
			return
		}
	}
	if l.waiting.Len() == 0 {
		notify(h.wake)
	}
	l.waiting.Push(&w.item)
	h.waitingBytes += entryBytes(&w.entry)
	h.boundLocked()
}

// sendLocked puts a message into the queue of the link, and reports whether that took it.
func (h *History) sendLocked(l *lane, w *write) bool {
	keys, p := &h.keys.lanes[w.place.lane], w.place
	var text [160]byte
	w.head = string(appendHead(text[:0], h.keys.writer, w.seq, &w.entry))
	size := entryBytes(&w.entry)
	command, script := any("EVALSHA"), h.keys.scriptHash
	w.prev = l.newest
	queued := len(w.head) + len(w.entry.JSON) + 512
	if l.newest == 0 {
		command, script, w.prev = "EVAL", h.keys.script, -1
		queued += len(historyAppendSource)
	}
	ok := h.link.Enqueue(redislink.Command{
		Args: []any{command, script, 5, p.heads, p.bodies, keys.rooms, keys.sizes, keys.mark,
			p.name, &w.head, &w.entry.JSON, &w.seq, &w.prev}, // as pointers they cost no allocation each
		Size: queued,
		Done: func(reply any, err error) { h.returned(l, w, reply, err) },
	})
	if h.full = !ok; !ok {
		h.pause.begin()
		return false
	}
	h.pause.end()
	l.newest = w.seq
	l.onTheWay++
	h.sentBytes += size
	return true
}

// returned is told what became of a message that was sent. It is called by the link.
func (h *History) returned(l *lane, w *write, reply any, err error) {
	var status int64
	var s sums
	if err == nil {
		status, s, err = parseStatus(reply)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.abandoned {
		return
	}
	l.onTheWay--
	h.sentBytes -= entryBytes(&w.entry)
	switch {
	case err == nil:
		h.noteLocked(l, s)
		if status < 0 { // one before it has failed, and was counted
			l.broken = true
			break
		}
		l.pause.end()
		h.pause.end() // there is room in the queue
		w.settled = true
		h.stats.Written++
		h.pending--
		for first := l.sent.First(); first != nil && first.settled; first = l.sent.First() {
			l.sent.Remove(&first.item)
		}
	default:
		l.broken = true
		h.stats.Failures++
		l.failed = l.failed || !redislink.HasPrefix(err, "NOSCRIPT")
		if refused(err) {
			if w.refusals++; w.refusals == maxRefusals {
				w.settled = true
				h.lostLocked()
			}
		}
	}
	if l.broken && l.onTheWay == 0 || h.waitingBytes > 0 || h.closed && h.pending == 0 {
		notify(h.wake)
	}
}

// noteLocked notes what a lane has in Redis.
func (h *History) noteLocked(l *lane, s sums) {
	h.inRedis.messages += s.messages - l.inRedis.messages
	h.inRedis.bytes += s.bytes - l.inRedis.bytes
	l.inRedis = s
	if h.inRedis.messages > int64(h.limits.Messages) || h.inRedis.bytes > h.limits.Bytes {
		notify(h.over)
	}
}

func (h *History) lostLocked() {
	h.stats.Lost++
	h.pending--
}

// boundLocked gives up the messages that have waited longest, until what waits is within its bound.
func (h *History) boundLocked() {
	for h.waitingBytes > h.options.backlogBytes {
		var oldest *lane
		for i := range h.lanes {
			l := &h.lanes[i]
			if l.waiting.Len() > 0 && (oldest == nil || l.waiting.First().seq < oldest.waiting.First().seq) {
				oldest = l
			}
		}
		w := oldest.waiting.First()
		oldest.waiting.Remove(&w.item)
		h.waitingBytes -= entryBytes(&w.entry)
		h.lostLocked()
	}
}

// run sends what Append could not send.
func (h *History) run() {
	retry := time.NewTimer(0)
	defer retry.Stop()
	quit := h.quit
	var giveUp <-chan struct{}
	for {
		select {
		case <-h.wake:
		case <-retry.C:
		case <-quit:
			quit = nil
			h.mu.Lock()
			giveUp = h.closing.Done()
			h.mu.Unlock()
		case <-giveUp:
			h.abandon()
			return
		}
		left, wait := h.sendWaiting()
		if quit == nil && left == 0 {
			return
		}
		if wait > 0 {
			retry.Reset(wait)
		}
	}
}

// abandon gives up what is not written.
func (h *History) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending > 0 {
		h.closeErr = errors.Join(errors.New("close history: messages are not written"), h.closing.Err())
	}
	h.stats.Lost += uint64(h.pending)
	h.pending = 0
	h.abandoned = true
}

// sendWaiting sends what waits, and returns how many messages are not written and when to try again: 0 for when
// something has come back, or Redis has.
func (h *History) sendWaiting() (left int, wait time.Duration) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	later := func(p *pause) bool {
		rest := p.until.Sub(now)
		if rest > 0 && (wait == 0 || rest < wait) {
			wait = rest
		}
		return rest > 0
	}
	for i := range h.lanes {
		l := &h.lanes[i]
		h.mendLocked(l)
		if l.broken || l.waiting.Len() == 0 || later(&h.pause) || later(&l.pause) {
			continue
		}
		for l.waiting.Len() > 0 && h.sentBytes < maxSentBytes {
			w := l.waiting.First()
			if !h.sendLocked(l, w) {
				later(&h.pause)
				break
			}
			l.waiting.Remove(&w.item)
			l.sent.Push(&w.item)
			h.waitingBytes -= entryBytes(&w.entry)
		}
	}
	return h.pending, wait
}

// mendLocked puts a broken lane of which all has come back into order: what is not written waits again.
func (h *History) mendLocked(l *lane) {
	if !l.broken || l.onTheWay > 0 {
		return
	}
	sent, waiting := l.sent, l.waiting
	l.sent, l.waiting = writes{}, writes{}
	for w := sent.First(); w != nil; w = sent.First() {
		sent.Remove(&w.item)
		if !w.settled {
			h.waitingBytes += entryBytes(&w.entry)
			l.waiting.Push(&w.item)
		}
	}
	for w := waiting.First(); w != nil; w = waiting.First() {
		waiting.Remove(&w.item)
		l.waiting.Push(&w.item)
	}
	if l.failed {
		l.pause.begin()
	}
	l.broken, l.failed, l.newest = false, false, 0
	h.boundLocked()
}

// linkState is told by the link that Redis has gone or is back.
func (h *History) linkState(up bool) {
	if !up {
		return
	}
	h.mu.Lock()
	h.pause.end()
	for i := range h.lanes {
		l := &h.lanes[i]
		l.pause.end()
		if l.onTheWay == 0 {
			l.newest = 0 // it may be another one, which does not know the script
		}
	}
	h.mu.Unlock()
	notify(h.wake)
	notify(h.over) // and may have other sums
}

// refused reports whether an error may be about the message itself: of the errors that Redis answers with, those that
// are no state of the server.
func refused(err error) bool {
	var answer redislink.Error
	return errors.As(err, &answer) && (strings.HasPrefix(string(answer), "ERR ") || strings.HasPrefix(string(answer), "WRONGTYPE "))
}
