package load

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
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
func runStorm(ctx context.Context, r *Runner, res *measure.Result) error {
	n := r.Opts.stormUsers
	res.About = fmt.Sprintf("%d users", n)
	states := make([]stormUser, n)
	seed := maphash.MakeSeed()
	var complete, lists atomic.Int64
	var latency measure.Histogram
	settle := func(s *stormUser, at int64) { // with s.mu held
		if !s.full && s.answers > 0 && s.listed == n {
			s.full = true
			latency.Record(at - s.began)
			complete.Add(1)
		}
	}
	users := r.Connect(ctx, n, 64, client.Options{BufBytes: roomBuffer}, func(i int) client.Callbacks {
		s := &states[i]
		return client.Callbacks{
			Event: func(at int64, event []byte) {
				if !bytes.HasPrefix(event, client.UsersPrefix) {
					return
				}
				listed := bytes.Count(event, client.UserIDMember)
				hash := maphash.Bytes(seed, event)
				lists.Add(1)
				s.mu.Lock()
				defer s.mu.Unlock()
				s.listed, s.hash = listed, hash
				settle(s, at)
			},
			Ack: func(at int64, _ uint64, arg []byte) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.answers++
				s.early = s.early || s.listed == 0
				s.refused = !bytes.HasPrefix(arg, []byte(`[{"user":`)) || bytes.Contains(arg, []byte(`"error"`))
				settle(s, at)
			},
		}
	})
	defer users.Close()
	if err := users.Need(); err != nil {
		return err
	}
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.Progress.watch("users with the full list", &complete, int64(n))
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	for i, cl := range users.Clients {
		s := &states[i]
		s.mu.Lock()
		s.began = r.clock.Now()
		s.mu.Unlock()
		if err := cl.Send(client.AppendLogin(nil, 1, "user"+strconv.Itoa(i), stormRoom)); err != nil {
			return fmt.Errorf("login: %w", err)
		}
	}
	if err := m.End(awaitActive(ctx, &complete, int64(n), &lists, r.Opts.quiet)); err != nil {
		return err
	}
	err := measure.Pause(ctx, 2*Lingering)
	res.Units = complete.Load()
	res.Latency = latency.Latency()
	res.Disconnected = users.gone.Load()
	judgeStorm(res, states)
	m.Fill(res)
	return err
}

// judgeStorm counts users without the full list or the callback, and lists that differ at the end.
func judgeStorm(res *measure.Result, states []stormUser) {
	early, refused, full, common := 0, 0, 0, 0
	lists := map[uint64]int{} // how many ended with which list
	for i := range states {
		s := &states[i]
		s.mu.Lock()
		c := measure.Counts{Expected: 1, Doubled: int64(max(s.answers-1, 0))}
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
		res.Counts.Add(c)
	}
	if early > 0 {
		res.Note(fmt.Sprintf("%d logins were answered before any list came", early))
	}
	if refused > 0 {
		res.Note(fmt.Sprintf("%d logins were refused", refused))
	}
	if different := full - common; different > 0 {
		res.Note(fmt.Sprintf("%d users ended with another list than the rest", different))
	}
}
