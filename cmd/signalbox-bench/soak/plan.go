package soak

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// What may happen.
const (
	cutClient   = "cut client"   // its connection ends
	holeClient  = "hole client"  // what it and the server say gets lost; it gives up, the server notices later
	stallClient = "stall client" // what it and the server say comes late
	killNode    = "kill node"    // SIGKILL, and started again
	stopNode    = "stop node"    // SIGTERM, and started again
	cutRedis    = "cut redis"    // a server's connections to Redis end, and it may connect again at once
	stallRedis  = "stall redis"  // Redis says nothing, and takes nothing in
	awayRedis   = "away redis"   // Redis cannot be reached
)

// step is one fault of the schedule.
type step struct {
	at   time.Duration // from the beginning of the round
	what string
	who  int           // the client, or the server
	wait time.Duration // how long it lasts; of a server: how long it is away
}

func (s step) String() string {
	return fmt.Sprintf("%6v %s %d for %v", s.at.Round(time.Millisecond), s.what, s.who, s.wait.Round(time.Millisecond))
}

// planRound makes the schedule of one round, which is the same whenever the numbers are. Faults of clients come one
// after the other; of servers and Redis there is one at a time, since two at once leave nothing to promise.
func planRound(seed uint64, round, clients, nodes int, redis bool, length time.Duration) []step {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(r.Int64N(int64(high-low))) }
	large := []string{killNode, stopNode}
	if redis {
		large = append(large, cutRedis, stallRedis, awayRedis)
	}
	var plan []step
	for at := between(time.Second, 2*time.Second); at < length-2*time.Second; {
		s := step{at: at, what: large[r.IntN(len(large))], who: r.IntN(nodes)}
		s.wait = between(200*time.Millisecond, 2500*time.Millisecond)
		plan = append(plan, s)
		at += s.wait + between(500*time.Millisecond, 4*time.Second)
	}
	small := []string{cutClient, holeClient, stallClient}
	for at := between(500*time.Millisecond, time.Second); at < length-time.Second; {
		s := step{at: at, what: small[r.IntN(len(small))], who: r.IntN(clients)}
		s.wait = between(100*time.Millisecond, 1500*time.Millisecond)
		plan = append(plan, s)
		at += between(100*time.Millisecond, 900*time.Millisecond)
	}
	return plan
}
