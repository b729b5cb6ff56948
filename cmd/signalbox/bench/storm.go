package bench

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// stormRoom is the chat room everybody logs in to. Chat rooms are alphanumeric.
const stormRoom = "storm"

// stormUser is what one user of the storm has seen.
type stormUser struct {
	// mu guards the following.
	mu      sync.Mutex
	began   int64
	listed  int    // users in the last list
	hash    uint64 // of the last list
	early   bool   // the callback came before any list
	refused bool   // the callback brought an error
	answers int
	full    bool
}

// runStorm logs users in to one chat room at once and waits until all have the callback and the full list.
func runStorm(ctx context.Context, r *runner, res *Result) error {
	n := r.opts.stormUsers
	res.About = fmt.Sprintf("%d users", n)
	states := make([]stormUser, n)
	seed := maphash.MakeSeed()
	var complete, lists atomic.Int64
	var latency histogram
	settle := func(s *stormUser, at int64) { // with s.mu held
		if !s.full && s.answers > 0 && s.listed == n {
			s.full = true
			latency.record(at - s.began)
			complete.Add(1)
		}
	}
	users := r.connect(ctx, n, 64, dialOptions{bufBytes: roomBuffer}, func(i int) callbacks {
		s := &states[i]
		return callbacks{
			event: func(at int64, event []byte) {
				if !bytes.HasPrefix(event, usersPrefix) {
					return
				}
				listed := bytes.Count(event, userIDMember)
				hash := maphash.Bytes(seed, event)
				lists.Add(1)
				s.mu.Lock()
				defer s.mu.Unlock()
				s.listed, s.hash = listed, hash
				settle(s, at)
			},
			ack: func(at int64, _ uint64, arg []byte) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.answers++
				s.early = s.early || s.listed == 0
				s.refused = !bytes.HasPrefix(arg, []byte(`[{"user":`)) || bytes.Contains(arg, []byte(`"error"`))
				settle(s, at)
			},
		}
	})
	defer users.close()
	if err := users.need(); err != nil {
		return err
	}
	if err := calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.progress.watch("users with the full list", &complete, int64(n))
	m := meter{procs: r.procs}
	if err := m.begin(); err != nil {
		return err
	}
	for i, cl := range users.clients {
		s := &states[i]
		s.mu.Lock()
		s.began = r.clock.now()
		s.mu.Unlock()
		if err := cl.send(appendLogin(nil, 1, "user"+strconv.Itoa(i), stormRoom)); err != nil {
			return fmt.Errorf("login: %w", err)
		}
	}
	if err := m.end(awaitActive(ctx, &complete, int64(n), &lists, r.opts.quiet)); err != nil {
		return err
	}
	err := pause(ctx, 2*lingering)
	res.Units = complete.Load()
	res.Latency = latency.latency()
	res.Disconnected = users.gone.Load()
	judgeStorm(res, states)
	m.fill(res)
	return err
}

// judgeStorm counts users without the full list or the callback, and lists that differ at the end.
func judgeStorm(res *Result, states []stormUser) {
	early, refused, full, common := 0, 0, 0, 0
	lists := map[uint64]int{} // how many ended with which list
	for i := range states {
		s := &states[i]
		s.mu.Lock()
		c := Counts{Expected: 1, Doubled: int64(max(s.answers-1, 0))}
		if s.full && s.listed == len(states) {
			c.Delivered = 1
			full++
			lists[s.hash]++
			common = max(common, lists[s.hash])
		} else {
			c.Lost = 1
		}
		if s.early {
			early++
		}
		if s.refused {
			refused++
		}
		s.mu.Unlock()
		res.Counts.add(c)
	}
	if early > 0 {
		res.note(fmt.Sprintf("%d logins were answered before any list came", early))
	}
	if refused > 0 {
		res.note(fmt.Sprintf("%d logins were refused", refused))
	}
	if different := full - common; different > 0 {
		res.note(fmt.Sprintf("%d users ended with another list than the rest", different))
	}
}
