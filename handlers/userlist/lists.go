package userlist

import (
	"context"
	"log/slog"
	"sync"

	"signalbox/server/hub"
	"signalbox/store"
)

const (
	// tellList is the topic on which nodes tell each other the name of a chat room whose users have changed.
	tellList = "lobby" // as nodes of earlier versions call it
	// refreshers is how many lists are read at once when many rooms have changed together.
	refreshers = 16
)

// roomAddress returns the address of a chat room.
func roomAddress(room string) hub.Room { return hub.Room{Kind: hub.KindLobby, Name: room} }

// lists are the chat rooms that have users on this node, and those that still owe a list to somebody.
type lists struct {
	// Static after construction.
	hub       *hub.Hub
	users     store.UserStore
	nodes     hub.Nodes
	clustered bool
	log       *slog.Logger
	stats     *Stats
	// ctx ends with close, and reading the store with it.
	ctx    context.Context
	cancel context.CancelFunc
	// following are the goroutines that read lists because other nodes have changed them.
	following sync.WaitGroup

	// mu is taken before a list's.
	mu sync.Mutex
	// mu guards the following.
	rooms  map[string]*list
	closed bool
}

func newLists(o Options, stats *Stats) *lists {
	ctx, cancel := context.WithCancel(context.Background())
	ls := &lists{
		hub:       o.Hub,
		users:     o.Users,
		nodes:     o.Nodes,
		clustered: o.Clustered,
		log:       o.Log,
		stats:     stats,
		ctx:       ctx,
		cancel:    cancel,
		rooms:     make(map[string]*list),
	}
	o.Nodes.OnTell(tellList, ls.told)
	return ls
}

// enter returns the list of a room. Each call is paid back with one of exit.
func (ls *lists) enter(room string) *list {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.rooms[room]
	if l == nil {
		l = newList(ls, room)
		l.over = ls.closed
		ls.rooms[room] = l
	}
	l.inside++
	return l
}

// exit pays one enter back, and reports whether nobody is left to be told anything.
func (ls *lists) exit(l *list) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.inside--
	return ls.forgetLocked(l)
}

// forget ends a list that nobody was in any more, but that owed a list.
func (ls *lists) forget(l *list) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.forgetLocked(l)
}

func (ls *lists) forgetLocked(l *list) bool {
	if l.inside > 0 || ls.rooms[l.address.Name] != l {
		return false
	}
	// Before the lock is given back: a list that is made after this one must be the only one to send.
	if !l.end(ls.closed) {
		return false
	}
	delete(ls.rooms, l.address.Name)
	return true
}

// close stops all timers, for good, and waits for those who read lists because of other nodes.
func (ls *lists) close() {
	ls.cancel()
	ls.mu.Lock()
	ls.closed = true
	for _, l := range ls.rooms {
		l.end(true)
	}
	ls.mu.Unlock()
	ls.following.Wait()
}

// told is called when another node has changed the users of a room. It does not wait for the store: one goroutine per
// list reads the store, and what is told meanwhile has it read once more.
func (ls *lists) told(room []byte) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.rooms[string(room)]
	switch {
	case l == nil || ls.closed:
	case l.followed:
		l.again = true
	default:
		l.followed = true
		ls.following.Go(func() { ls.follow(l) }) // close waits
	}
}

// follow brings a list up to date until nothing more was told.
func (ls *lists) follow(l *list) {
	for more := true; more; {
		l.refresh(false, nil)
		ls.mu.Lock()
		more = l.again && !ls.closed
		l.again, l.followed = false, more
		if !more {
			ls.forgetLocked(l)
		}
		ls.mu.Unlock()
	}
}

// names returns the names of all rooms there are.
func (ls *lists) names() []string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	names := make([]string, 0, len(ls.rooms))
	for name := range ls.rooms {
		names = append(names, name)
	}
	return names
}

// each calls do with the lists of these rooms, some at once, and returns when all calls have, or soon after ctx is over.
func (ls *lists) each(ctx context.Context, rooms []string, do func(l *list)) {
	var workers sync.WaitGroup
	next := make(chan string)
	for range min(refreshers, len(rooms)) {
		workers.Go(func() { // waited for below
			for room := range next {
				l := ls.enter(room)
				do(l)
				ls.exit(l)
			}
		})
	}
	for _, room := range rooms {
		select {
		case next <- room:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
}
