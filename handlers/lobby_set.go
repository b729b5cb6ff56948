package handlers

import (
	"context"
	"log/slog"
	"sync"

	"signalbox/server/hub"
	"signalbox/store"
)

const (
	// tellLobby is the topic on which nodes tell each other the name of a chat room whose users have changed.
	tellLobby = "lobby"
	// refreshers is how many lists are read at once when many rooms have changed together.
	refreshers = 16
)

// lobbyRoom returns the address of a chat room.
func lobbyRoom(room string) hub.Room { return hub.Room{Kind: hub.KindLobby, Name: room} }

// lobbies are the chat rooms that have users on this node, and those that still owe a list to somebody.
type lobbies struct {
	// Static after construction.
	hub       Hub
	users     store.UserStore
	nodes     hub.Nodes
	clustered bool
	log       *slog.Logger
	counters  *counters
	// ctx ends with close, and reading the store with it.
	ctx    context.Context
	cancel context.CancelFunc
	// following are the goroutines that read lists because other nodes have changed them.
	following sync.WaitGroup

	// mu is taken before a lobby's.
	mu sync.Mutex
	// mu guards the following.
	rooms  map[string]*lobby
	closed bool
}

func newLobbies(h Hub, users store.UserStore, o RootOptions, log *slog.Logger, counters *counters) *lobbies {
	ctx, cancel := context.WithCancel(context.Background())
	ls := &lobbies{
		hub:       h,
		users:     users,
		nodes:     o.Nodes,
		clustered: o.Clustered,
		log:       log,
		counters:  counters,
		ctx:       ctx,
		cancel:    cancel,
		rooms:     make(map[string]*lobby),
	}
	o.Nodes.OnTell(tellLobby, ls.told)
	return ls
}

// enter returns the lobby of a room. Each call is paid back with one of exit.
func (ls *lobbies) enter(room string) *lobby {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.rooms[room]
	if l == nil {
		l = newLobby(ls, room)
		l.over = ls.closed
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
	return ls.forgetLocked(l)
}

// forget ends a lobby that nobody was in any more, but that owed a list.
func (ls *lobbies) forget(l *lobby) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.forgetLocked(l)
}

func (ls *lobbies) forgetLocked(l *lobby) bool {
	if l.inside > 0 || ls.rooms[l.address.Name] != l {
		return false
	}
	// Before the lock is given back: a lobby that is made after this one must be the only one to send.
	if !l.end(ls.closed) {
		return false
	}
	delete(ls.rooms, l.address.Name)
	return true
}

// close stops all timers, for good, and waits for those who read lists because of other nodes.
func (ls *lobbies) close() {
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
// lobby reads the list, and what is told meanwhile has it read once more.
func (ls *lobbies) told(room []byte) {
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

// follow brings a lobby up to date until nothing more was told.
func (ls *lobbies) follow(l *lobby) {
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
func (ls *lobbies) names() []string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	names := make([]string, 0, len(ls.rooms))
	for name := range ls.rooms {
		names = append(names, name)
	}
	return names
}

// each calls do with the lobbies of these rooms, some at once, and returns when all calls have, or soon after ctx is over.
func (ls *lobbies) each(ctx context.Context, rooms []string, do func(l *lobby)) {
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
