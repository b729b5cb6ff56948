package handlers

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"signalbox/server/hub"
	"signalbox/store"
)

const (
	// listInterval is the least time between two lists to the whole of a room with more than promptUsers. Nobody may
	// wait longer than 100 ms for a list that names them; the rest of that is for reading the store and for the timer.
	listInterval = 80 * time.Millisecond
	// retryInterval is how long after a failed read of the store the next one follows.
	retryInterval = time.Second
	// promptUsers is how many users a room may have and still get a list for each change: so few cost nothing.
	promptUsers = 10
)

// lobbies are the chat rooms that have users on this process.
type lobbies struct {
	// Static after construction.
	hub      Hub
	users    store.UserStore
	log      *slog.Logger
	counters *counters
	// ctx ends with close, and reading the store with it.
	ctx    context.Context
	cancel context.CancelFunc

	// mu is taken before a lobby's.
	mu sync.Mutex
	// mu guards the following.
	rooms  map[string]*lobby
	closed bool
}

// lobby sends the list of a room's users to the room: for every change while the room is small, and for the latest state
// at intervals while many come and go. A list is made at most once for each state and shared by all who get it.
//
// Lists are numbered by the change they were read after, and are handed to the hub under the lock and in that order. So
// a list never overtakes a later one, and the last that anyone gets is the last there is.
type lobby struct {
	// Static after construction.
	all     *lobbies
	address hub.Room

	// inside is how many sessions are in, or on their way in or out. Guarded by all.mu.
	inside int

	mu sync.Mutex
	// mu guards the following.
	changes uint64       // how often the room has changed
	list    *hub.Message // the latest list; nil before the first
	listed  uint64       // the change that list was read after
	sent    uint64       // what listed was when the room got the list
	sentAt  time.Time
	length  int // users in list
	text    listText
	failed  uint64 // the latest change after which the store could not be read
	timer   *time.Timer
	flushAt time.Time // when the timer is due; zero: it is not set
	over    bool      // nobody is left, or the server closes
}

func newLobbies(h Hub, users store.UserStore, log *slog.Logger, counters *counters) *lobbies {
	ctx, cancel := context.WithCancel(context.Background())
	return &lobbies{
		hub:      h,
		users:    users,
		log:      log,
		counters: counters,
		ctx:      ctx,
		cancel:   cancel,
		rooms:    make(map[string]*lobby),
	}
}

// enter returns the lobby of a room. Each call is paid back with one of exit.
func (ls *lobbies) enter(room string) *lobby {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.rooms[room]
	if l == nil {
		l = &lobby{all: ls, address: hub.Room{Kind: hub.KindLobby, Name: room}, over: ls.closed}
		ls.rooms[room] = l
	}
	l.inside++
	return l
}

// exit pays one enter back, and reports whether nobody is left to be told anything.
func (ls *lobbies) exit(l *lobby) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.inside--
	if l.inside > 0 {
		return false
	}
	delete(ls.rooms, l.address.Name)
	// Before the lock is given back: a lobby that is made after this one must be the only one to send.
	l.end()
	return true
}

// close stops all timers, for good.
func (ls *lobbies) close() {
	ls.cancel()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	for _, l := range ls.rooms {
		l.end()
	}
}

func (l *lobby) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// changed is called after a user was saved or deleted. The room gets the new list now or soon, and self, who is in the
// room already, before changed returns; nil: nobody has come.
func (l *lobby) changed(self *hub.Member) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return
	}
	l.changes++
	change := l.changes
	l.mu.Unlock()

	users, err := l.read() // no lock is held: a store may be far away

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.sent >= change {
		return // everybody has a list that was read after this change
	}
	switch {
	case err != nil:
		l.failed = max(l.failed, change)
	case l.listed < change:
		l.list, l.listed, l.length = l.text.message(users), change, len(users)
	}
	if l.listed < change {
		l.setTimerLocked(retryInterval)
		return
	}
	wait := listInterval - time.Since(l.sentAt)
	if wait <= 0 || l.length <= promptUsers {
		l.sendLocked()
		return
	}
	if self != nil && self.Deliver(l.list) {
		l.all.counters.userLists.Add(1)
	}
	l.setTimerLocked(wait)
}

// read returns the users of the room.
func (l *lobby) read() ([]store.User, error) {
	ctx, cancel := context.WithTimeout(l.all.ctx, storeTimeout)
	defer cancel()
	users, err := l.all.users.GetRoomUsers(ctx, l.address.Name)
	if err != nil {
		l.all.counters.storeErrors.Add(1)
		l.all.log.Error("chat users not read", "error", err)
	}
	return users, err
}

// sendLocked sends the latest list to the room.
func (l *lobby) sendLocked() {
	l.sent = l.listed
	l.sentAt = time.Now()
	l.all.counters.userLists.Add(uint64(l.all.hub.Send(l.address, l.list)))
}

// setTimerLocked has flush called after wait, or before.
func (l *lobby) setTimerLocked(wait time.Duration) {
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
func (l *lobby) flush() {
	l.mu.Lock()
	l.flushAt = time.Time{}
	retry := l.failed > l.listed
	if !l.over && l.sent < l.listed {
		l.sendLocked()
	}
	l.mu.Unlock()
	if retry {
		l.changed(nil)
	}
}

// listText is a list of users as JSON. While users only come, which is when there are many lists, each list is the one
// before and the users behind it.
type listText struct {
	users []store.User
	open  []byte // the text of users, but for the bracket that closes it
}

// message returns the users as the event that names them.
func (t *listText) message(users []store.User) *hub.Message {
	if n := len(t.users); n == 0 || len(users) < n || !slices.Equal(users[:n], t.users) {
		t.users, t.open = nil, append(t.open[:0], '[')
	}
	for i := len(t.users); i < len(users); i++ {
		if i > 0 {
			t.open = append(t.open, ',')
		}
		t.open = append(t.open, `{"id":`...)
		t.open = appendJSONString(t.open, users[i].ID)
		t.open = append(t.open, `,"name":`...)
		t.open = appendJSONString(t.open, users[i].Name)
		t.open = append(t.open, `,"room":`...)
		t.open = appendJSONString(t.open, users[i].Room)
		t.open = append(t.open, '}')
	}
	t.users = users
	text := make([]byte, len(t.open)+1) // the message is shared, and open goes on changing
	copy(text, t.open)
	text[len(t.open)] = ']'
	return &hub.Message{Namespace: rootNamespace, Event: "users", Args: []json.RawMessage{text}}
}

// appendJSONString appends s in quotes. What the chat lets in needs no escape; a shared store may hold more.
func appendJSONString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(dst, `""`...) // never: any string can be written
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
