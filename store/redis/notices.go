package redis

import (
	"context"
	"strconv"
	"sync"

	"signalbox/store"
	"signalbox/store/redislink"
)

// The scripts that change notices go through the queue of the link: nobody waits for them who could send the text after Redis
// has said that it does not know the name.
var (
	textNoticeWrite    = scriptText("notice_write")
	textNoticeAdd      = scriptText("notice_head", "notice_add")
	textNoticeWithdraw = scriptText("notice_head", "notice_withdraw")
	textNoticeRename   = scriptText("notice_rename")

	nameNoticeWrite = redislink.NewScript(textNoticeWrite).Name()
)

// Bounds of one command that writes many notices.
const (
	noticesPerWrite     = 200
	noticeBytesPerWrite = 256 << 10
)

// notices are the notices of one node: in memory, and in the order of their changes in Redis.
//
// The node alone writes its notices, so each write says how many there are of one key, and doing it twice does no harm. A key
// whose write was lost is written again with what is true then. That ends when the node leaves: from then on the others may
// take over, and each write says by how much to change.
type notices struct {
	link *redislink.Link

	// mu guards the following. It is held while commands are queued, so their order is that of the changes.
	mu    sync.Mutex
	kept  map[string]notice
	dirty map[string]bool // keys that Redis knows wrongly; true: it may have a notice, so one that is gone must be told
	load  bool            // Redis is to be told the text of the script
	keys  noticeKeys
	phase noticePhase
}

type noticePhase uint8

const (
	noticesUnregistered noticePhase = iota // there is nowhere to write to
	noticesOpen                            // the node writes what is true
	noticesLeft                            // the node is leaving: others write too
	noticesClosed                          // nothing is written any more
)

// notice is what is kept of the notices with one key.
type notice struct {
	rest string // as in Redis: " topicLength:topicBody"
	n    int
}

func newNotices(l *redislink.Link) *notices {
	return &notices{link: l, kept: make(map[string]notice), dirty: make(map[string]bool)}
}

// add adds a notice. The body of the newest with a key is that of all.
func (w *notices) add(added store.LeaveNotice) {
	rest := " " + sized(added.Topic) + string(added.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == noticesClosed {
		return
	}
	k := w.kept[added.Key]
	w.kept[added.Key] = notice{rest: rest, n: k.n + 1}
	if w.phase == noticesLeft {
		w.link.Enqueue(redislink.Command{Args: []any{"EVAL", textNoticeAdd, 1, w.keys.left, added.Key, rest}})
		return
	}
	w.writeLocked(added.Key, k.n > 0)
}

// withdraw takes a notice back.
func (w *notices) withdraw(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.kept[key]
	if !ok {
		return
	}
	if k.n--; k.n > 0 {
		w.kept[key] = k
	} else {
		delete(w.kept, key)
	}
	if w.phase == noticesLeft {
		w.link.Enqueue(redislink.Command{Args: []any{"EVAL", textNoticeWithdraw, 2, w.keys.left, w.keys.taken, key}})
		return
	}
	w.writeLocked(key, true)
}

// register begins to write: under keys that nobody has written to before.
func (w *notices) register(keys noticeKeys) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase > noticesOpen {
		return
	}
	w.phase, w.keys, w.load = noticesOpen, keys, true
	clear(w.dirty)
	for key := range w.kept {
		w.dirty[key] = false
	}
}

// isDirty reports whether flush has anything to do.
func (w *notices) isDirty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase == noticesOpen && (w.load || len(w.dirty) > 0)
}

// some reports whether there are notices.
func (w *notices) some() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.kept) > 0
}

// flush writes what is dirty and waits until Redis has it. It never has more than one command in the queue.
func (w *notices) flush(ctx context.Context) error {
	for {
		done := make(chan error, 1)
		w.mu.Lock()
		if w.phase != noticesOpen || !w.load && len(w.dirty) == 0 {
			w.mu.Unlock()
			return nil
		}
		keys, args := w.takeLocked()
		queued := w.link.Enqueue(redislink.Command{Args: args, Done: func(_ any, err error) { done <- err }})
		w.mu.Unlock()
		err := redislink.ErrAway
		if queued {
			select {
			case err = <-done:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			w.spoil(true, keys...)
			return err
		}
	}
}

// settle waits until Redis has all that was queued before, and all that is dirty.
func (w *notices) settle(ctx context.Context) error {
	w.mu.Lock()
	w.load = true // there is something to write, and to wait for, in any case
	w.mu.Unlock()
	return w.flush(ctx)
}

// takeLocked takes some of what is dirty and returns the command that writes it.
func (w *notices) takeLocked() (keys []string, args []any) {
	args = []any{"EVAL", textNoticeWrite, 1, w.keys.notices}
	bytes := 0
	for key := range w.dirty {
		if len(keys) == noticesPerWrite || bytes > noticeBytesPerWrite {
			break
		}
		value := w.valueLocked(key)
		keys, args = append(keys, key), append(args, key, value)
		bytes += len(key) + len(value)
	}
	for _, key := range keys {
		delete(w.dirty, key)
	}
	w.load = false
	return keys, args
}

// writeLocked queues what is true of one key; had says whether Redis may have had a notice with it before. A key that is dirty
// is left to flush, and all are until the node is registered.
func (w *notices) writeLocked(key string, had bool) {
	if had, is := w.dirty[key]; is {
		if _, kept := w.kept[key]; !kept && !had {
			delete(w.dirty, key)
		}
		return
	}
	if w.phase != noticesOpen {
		return
	}
	if !w.link.Enqueue(redislink.Command{
		Args: []any{"EVALSHA", nameNoticeWrite, 1, w.keys.notices, key, w.valueLocked(key)},
		Done: func(_ any, err error) {
			if err != nil {
				w.spoil(false, key)
			}
		},
	}) {
		w.dirty[key] = had
	}
}

func (w *notices) valueLocked(key string) string {
	k, ok := w.kept[key]
	if !ok {
		return ""
	}
	return strconv.Itoa(k.n) + k.rest
}

// spoil notes that what was written of keys may not have arrived.
func (w *notices) spoil(load bool, keys ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load = w.load || load
	for _, key := range keys {
		w.dirty[key] = true
	}
}

// putOff keeps the notices from expiring.
func (w *notices) putOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == noticesOpen {
		w.link.Enqueue(redislink.Command{Args: []any{"PEXPIRE", w.keys.notices, keyLife.Milliseconds()}})
	}
}

// leave lets others take the notices over, once all of them are in Redis, and returns when Redis has done that. Whatever it returns,
// the node is leaving from then on.
func (w *notices) leave(ctx context.Context) error {
	err := w.flush(ctx)
	done := make(chan error, 1)
	w.mu.Lock()
	registered := w.phase == noticesOpen
	w.phase = noticesLeft
	if registered && err == nil {
		err = w.leaveLocked(done)
	}
	w.mu.Unlock()
	switch {
	case !registered:
		return ErrNotRegistered
	case err != nil:
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leaveLocked queues what has become dirty since the last flush, and then the change of the name.
func (w *notices) leaveLocked(done chan<- error) error {
	for len(w.dirty) > 0 {
		_, args := w.takeLocked()
		if !w.link.Enqueue(redislink.Command{Args: args}) {
			return redislink.ErrAway
		}
	}
	if !w.link.Enqueue(redislink.Command{
		Args: []any{"EVAL", textNoticeRename, 2, w.keys.notices, w.keys.left},
		Done: func(_ any, err error) { done <- err },
	}) {
		return redislink.ErrAway
	}
	return nil
}

// close ends it. What was queued is written still.
func (w *notices) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = noticesClosed
	clear(w.kept)
	clear(w.dirty)
}
