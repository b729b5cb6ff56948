package userlist

import (
	"bytes"
	"context"
	"sync"
	"time"

	"signalbox/server/hub"
	"signalbox/store"
)

const (
	// listInterval is the least time between two lists to the whole of a room with more than promptUsers. Nobody may
	// wait longer than 100 ms for a list that names them; the rest of that is for reading the store and for the timer.
	listInterval = 80 * time.Millisecond
	// listBurst and listRate bound the bytes of one room's lists on this node: so many at once, enough for a thousand who log in
	// within a second, and so many in each second after that. A list goes to each of n users and names n, so one client that
	// comes and goes would make a large room cost what it likes.
	listBurst = 256 << 20
	listRate  = 16 << 20
	// retryInterval is how long after a failed read of the store the next one follows.
	retryInterval = time.Second
	// promptUsers is how many users a room may have and still get a list for each change: so few cost nothing.
	promptUsers = 10
	// maxReaders is how many may read the list of a room at once: one that hangs does not hold up all others.
	maxReaders = 2
)

// list sends the list of a room's users to those who are in the room on this node: for every change while the room is
// small, and for the latest state at intervals while many come and go. A list is made at most once for each state and
// shared by all who get it. Each node of a cluster does that for its own; the one that made a change tells the others, and
// sends the list to servers of other kinds.
//
// Lists are numbered by the change they were read after, and are handed to the hub under the lock and in that order. So
// a list never overtakes a later one, and the last that anyone gets is the last there is. Of two that were read at the
// same time only the first counts, as nobody knows which of them is of the later state: so no list goes back behind
// another either.
type list struct {
	// Static after construction.
	all     *lists
	address hub.Room

	// inside is how many sessions are in, or on their way in or out. followed tells that a goroutine reads the list because
	// of other nodes, and again that it has to do so once more. Guarded by all.mu.
	inside          int
	followed, again bool

	mu   sync.Mutex
	read sync.Cond // one who reads has finished, or the list is over
	// mu guards the following.
	changes uint64       // how often the room has changed
	ours    uint64       // the latest change that servers of other kinds hear of from this node; 0 on a single node
	latest  *hub.Message // nil before the first
	listed  uint64       // the change that list was read after
	lists   uint64       // how many there were
	readers int
	sent    uint64       // what listed was when the room got the list
	foreign uint64       // what listed was when servers of other kinds got it
	last    *hub.Message // the list that the room got
	joined  bool         // somebody has come since, who may not have got it even where it names them
	sentAt  time.Time
	spent   float64 // bytes of listBurst that were in use at sentAt
	length  int     // users in list
	text    listText
	failed  uint64 // the latest change after which the store could not be read
	timer   *time.Timer
	flushAt time.Time // when the timer is due; zero: it is not set
	over    bool      // nobody is left, or the server closes
}

func newList(all *lists, room string) *list {
	l := &list{all: all, address: roomAddress(room)}
	l.read.L = &l.mu
	return l
}

// end stops the timer for good. Unless it is forced it does not while a list is owed to servers of other kinds, and
// reports false.
func (l *list) end(force bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !force && l.foreign < l.ours && (l.readers > 0 || !l.flushAt.IsZero()) {
		return false
	}
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.read.Broadcast()
	return true
}

// changed is called after this node has saved or deleted a user. The room gets the new list now or soon, and self, who is
// in the room already, before changed returns; nil: nobody has come.
func (l *list) changed(self *hub.Member) {
	l.all.nodes.Tell(tellList, []byte(l.address.Name))
	l.refresh(l.all.clustered, self)
}

// refresh is changed for this node. ours tells that servers of other kinds get the list as well.
func (l *list) refresh(ours bool, self *hub.Member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	if ours {
		l.ours = l.changes
	}
	if self != nil {
		l.joined = true
	}
	l.updateLocked(self)
}

// updateLocked has the room get a list that was read after the latest change.
func (l *list) updateLocked(self *hub.Member) {
	change := l.changes
	if wait := l.waitLocked(); self == nil && wait > 0 {
		l.setTimerLocked(wait) // reading can wait as well
		return
	}
	for l.listed < change && l.failed < change && !l.over {
		if l.readers < maxReaders {
			l.readLocked()
		} else {
			l.read.Wait()
		}
	}
	if l.over || l.sent >= change {
		return // everybody has a list that was read after this change
	}
	if l.listed < change {
		l.setTimerLocked(retryInterval)
	}
	if l.sent == l.listed {
		return
	}
	wait := l.waitLocked()
	if wait <= 0 {
		l.sendLocked()
		return
	}
	if self != nil && l.listed >= change && self.Deliver(l.latest) {
		l.all.stats.UserLists.Add(1)
	}
	l.setTimerLocked(wait)
}

// waitLocked returns how long the room has to wait for its next list.
func (l *list) waitLocked() time.Duration {
	if l.length <= promptUsers {
		return 0
	}
	wait := listInterval - time.Since(l.sentAt)
	if over := l.spentLocked() - listBurst; over > 0 {
		wait = max(wait, time.Duration(over/listRate*float64(time.Second)))
	}
	return wait
}

// spentLocked returns how many bytes of [listBurst] are in use.
func (l *list) spentLocked() float64 {
	return max(0, l.spent-time.Since(l.sentAt).Seconds()*listRate)
}

// readLocked reads the users of the room. It gives the lock away meanwhile: a store may be far away.
func (l *list) readLocked() {
	change, lists := l.changes, l.lists
	l.readers++
	l.mu.Unlock()
	users, away, err := l.fetch()
	l.mu.Lock()
	l.readers--
	l.read.Broadcast()
	switch {
	case err != nil:
		l.failed = max(l.failed, change)
	case l.lists == lists:
		l.listed, l.length = change, len(users)
		l.lists++
		// What others tell need not be news: the list that everybody has is not sent to them again.
		if list := l.text.message(users, away); !l.all.clustered || l.latest == nil || !bytes.Equal(list.Args[0], l.latest.Args[0]) {
			l.latest = list
		}
	}
}

// fetch reads the users of the room, and who of them was cut and may come back to this node.
func (l *list) fetch() (users []store.User, away map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(l.all.ctx, storeTimeout)
	defer cancel()
	users, err = l.all.users.GetRoomUsers(ctx, l.address.Name)
	if err != nil && l.all.ctx.Err() == nil {
		l.all.stats.StoreErrors.Add(1)
		l.all.log.Error("chat users not read", "error", err)
	}
	for _, id := range l.all.hub.AwayIn(l.address) {
		if away == nil {
			away = make(map[string]bool)
		}
		away[id] = true
	}
	return users, away, err
}

// back has those who were told that somebody is away told that this is over.
func (l *list) back(id string) {
	l.mu.Lock()
	named := l.text.away[id]
	l.mu.Unlock()
	if named {
		l.all.told([]byte(l.address.Name))
	}
}

// show gives the list to one member.
func (l *list) show(to *hub.Member) {
	l.mu.Lock()
	lists := l.lists
	l.mu.Unlock()
	users, away, err := l.fetch()
	if err != nil {
		return // it is logged, and the next change brings a list
	}
	var text listText
	msg := text.message(users, away)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lists != lists {
		msg = l.latest // which may be the newer one
	}
	if to.Deliver(msg) {
		l.all.stats.UserLists.Add(1)
	}
}

// sendLocked sends the latest list to the room.
func (l *list) sendLocked() {
	l.sent = l.listed
	if l.last != l.latest || l.joined {
		l.spent = l.spentLocked()
		l.last, l.joined, l.sentAt = l.latest, false, time.Now()
		n := l.all.hub.SendHere(l.address, l.latest)
		l.spent += float64(n) * float64(len(l.latest.Args[0]))
		l.all.stats.UserLists.Add(uint64(n))
	}
	if l.foreign < l.ours {
		l.foreign = l.listed
		l.all.hub.SendForeign(l.address, &hub.Message{Namespace: l.latest.Namespace, Event: l.latest.Event, Args: l.latest.Args}, nil)
	}
}

// setTimerLocked has flush called after wait, or before.
func (l *list) setTimerLocked(wait time.Duration) {
	if l.over {
		return
	}
	at := time.Now().Add(wait)
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.flush)
	} else if l.flushAt.IsZero() || at.Before(l.flushAt) {
		l.timer.Reset(wait)
	} else {
		return
	}
	l.flushAt = at
}

// flush sends the list that changes have been waiting for. It runs on the timer.
func (l *list) flush() {
	l.mu.Lock()
	l.flushAt = time.Time{}
	if !l.over && l.sent < l.changes {
		if l.failed >= l.changes {
			l.changes++ // so that it is read once more
		}
		l.updateLocked(nil)
	}
	l.mu.Unlock()
	if l.all.clustered {
		l.all.forget(l)
	}
}
