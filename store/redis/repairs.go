package redis

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"signalbox/internal/backoff"
	"signalbox/store/redislink"
)

// The pauses between attempts to repair.
const (
	leastRepairPause = 100 * time.Millisecond
	mostRepairPause  = 5 * time.Second
)

// repairs calls Repair until it has succeeded, and tells of the rooms it was for.
type repairs struct {
	// Static after construction.
	users *Users
	ready chan struct{} // right has some
	timer *time.Timer

	mu sync.Mutex
	// mu guards the following.
	pause backoff.Pause
	armed bool                // the timer is set
	rooms map[string]struct{} // whose lists may be wrong
	right []string            // whose lists are right again, which is to be told
}

func (r *repairs) init(u *Users) {
	r.users, r.ready, r.rooms = u, make(chan struct{}, 1), make(map[string]struct{})
	r.pause = backoff.Pause{Least: leastRepairPause, Most: mostRepairPause}
	r.timer = time.AfterFunc(time.Hour, r.run)
	r.timer.Stop()
}

// touch notes that the list of a room may be wrong.
func (r *repairs) touch(room string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room != "" {
		r.rooms[room] = struct{}{}
	}
}

// soon has Repair called after a pause.
func (r *repairs) soon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.armed {
		r.armed = true
		r.timer.Reset(r.pause.Spread())
	}
}

// now has Repair called at once.
func (r *repairs) now() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nowLocked()
}

func (r *repairs) nowLocked() {
	r.pause.Reset()
	r.armed = true
	r.timer.Reset(0)
}

// run runs on the timer.
func (r *repairs) run() {
	r.mu.Lock()
	r.armed = false
	r.mu.Unlock()
	if r.users.behind() {
		err := r.users.Repair(context.Background())
		if !errors.Is(err, redislink.ErrClosed) && r.users.behind() {
			r.soon()
		}
	}
}

// succeeded is called when Redis is up to date.
func (r *repairs) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users.behind() { // the next one has to set right what has gone wrong meanwhile
		r.nowLocked()
		return
	}
	r.pause.Reset()
	if len(r.rooms) == 0 {
		return
	}
	r.right = slices.AppendSeq(r.right, maps.Keys(r.rooms))
	clear(r.rooms)
	select {
	case r.ready <- struct{}{}:
	default: // it has been said
	}
}
