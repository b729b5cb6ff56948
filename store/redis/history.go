package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"signalbox/store"
	"signalbox/store/internal/recent"
	"signalbox/store/redislink"
)

// History is a [store.History] in Redis, which the nodes of a cluster share. Use [NewHistory].
//
// The order of a room is the order in which Redis was given its messages; those of one node are in the order in which
// that node appended them. A message goes through the ordered queue of the link, so whoever gets what was queued there
// behind it finds it in the history; not so while messages are waiting that could not be written before. A message is
// in the history once, whatever breaks: Redis keeps the number of the last one that each node has written.
//
// On its own node a message is seen from the moment Append returns, written or not. While Redis is away, Append keeps
// messages (32 MiB, then the oldest are lost and counted) and writes them, in order, when it is back; Last and Before
// return what this node itself has appended lately, beside an error.
//
// The bounds on a room hold at any time. Those on all rooms are seen to within a second where this node writes to the
// rooms that are too much, else within ten. A room that nobody wrote to for 30 days goes too.
//
// Stats counts what this node holds in memory (for the time when Redis is away), has written, and knows: DiskMessages
// and DiskBytes are what is in Redis, as bytes count against the limits; Evicted are the rooms that this node took out of
// Redis because of the limits on all.
type History struct {
	// Static after construction.
	link    *redislink.Link
	keys    *historyKeys
	limits  store.HistoryLimits
	options historyOptions
	wake    chan struct{} // something is to be sent that Append could not send
	over    chan struct{} // there is too much in Redis, or nobody knows how much
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when both goroutines have ended
	ctx     context.Context
	cancel  context.CancelFunc // ends what the pruner waits for

	mu sync.Mutex
	// mu guards the following.
	rooms        *recent.Rooms[*place] // what this node has appended lately
	lanes        [historyLanes]lane
	seq          int64 // of the newest message
	pending      int   // messages that are not written
	sentBytes    int64 // of messages that are on their way
	waitingBytes int64 // of messages that are to be sent
	full         bool  // the link did not take the last message, so that all wait
	pause        pause // before it is tried again
	inRedis      sums  // of all lanes
	appended     bool  // since the last survey
	stats        store.HistoryStats
	closed       bool
	closing      context.Context // bounds the last writes; set with closed
	closeErr     error           // set before done is closed
	abandoned    bool            // nothing counts any more
}

var _ store.History = (*History)(nil)

// historyOptions are what tests change.
type historyOptions struct {
	// backlogBytes bounds the messages that wait while they cannot be written.
	backlogBytes int64
	// surveyEvery is how often a node looks at what all have written, if it has written itself; surveyGap is the time
	// between two surveys because of too much.
	surveyEvery, surveyGap time.Duration
}

var defaultHistoryOptions = historyOptions{backlogBytes: 32 << 20, surveyEvery: 10 * time.Second, surveyGap: time.Second}

// localLimits bound what this node holds in memory.
var localLimits = store.HistoryLimits{RoomMessages: 200, RoomBytes: 1 << 20, Messages: 50_000, Bytes: 16 << 20}

// NewHistory returns the history below prefix in the Redis of a link, which must be open for longer than the history.
// The nodes that share it should have the same limits. Zero fields stand for those of [store.DefaultHistoryLimits], as here
// too everything is in memory: that of Redis, which takes 0.9 to 1.2 times what messages and rooms count for.
func NewHistory(l *redislink.Link, prefix string, limits store.HistoryLimits) (store.History, error) {
	return newHistory(l, prefix, limits, defaultHistoryOptions)
}

func newHistory(l *redislink.Link, prefix string, limits store.HistoryLimits, options historyOptions) (*History, error) {
	limits, err := limits.Resolve(store.DefaultHistoryLimits())
	if err != nil {
		return nil, err
	}
	keys, err := newHistoryKeys(prefix, limits)
	if err != nil {
		return nil, err
	}
	local := localLimits
	local.RoomMessages, local.RoomBytes = min(local.RoomMessages, limits.RoomMessages), min(local.RoomBytes, limits.RoomBytes)
	local.Messages, local.Bytes = min(local.Messages, limits.Messages), min(local.Bytes, limits.Bytes)
	h := &History{
		link: l, keys: keys, limits: limits, options: options,
		wake:  make(chan struct{}, 1),
		over:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
		rooms: recent.New[*place](recent.Limits(local)),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	l.OnState(h.linkState)
	var both sync.WaitGroup
	both.Go(h.run)
	both.Go(h.pruneLoop)
	go func() { both.Wait(); close(h.done) }() // awaited by Close, as the two others
	return h, nil
}

// Append implements [store.History].
func (h *History) Append(room string, m store.Message) error {
	e := recent.Entry{ID: m.ID, JSON: m.JSON, Milli: m.Time.UnixMilli()}
	if entryBytes(&e) > h.limits.RoomBytes {
		return store.ErrMessageTooLarge
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return store.ErrHistoryClosed
	}
	r := h.rooms.Ensure(room)
	at := r.Data
	if at == nil {
		at = h.keys.place(r.Name)
		r.Data = at
	}
	h.rooms.Append(r, e)
	h.seq++
	h.pending++
	h.appended = true
	w := &write{place: at, entry: e, seq: h.seq}
	w.item.Value = w
	h.queueLocked(w)
	return nil
}

// Stats implements [store.History].
func (h *History) Stats() store.HistoryStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Rooms, s.Messages, s.Bytes = h.rooms.Len(), h.rooms.Messages(), h.rooms.Bytes()
	s.Pending = h.pending
	s.DiskMessages, s.DiskBytes = h.inRedis.messages, h.inRedis.bytes
	return s
}

// Close implements [store.History]. It waits for what is not written, until ctx ends; what is left then is lost. The link
// must be open still.
func (h *History) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed, h.closing = true, ctx
		h.cancel()
		close(h.quit)
	}
	h.mu.Unlock()
	select {
	case <-h.done:
	default:
		select {
		case <-h.done:
		case <-ctx.Done():
			return fmt.Errorf("close history: %w", ctx.Err())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closeErr
}

// notify puts a token into a channel of length one, unless one is there.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
