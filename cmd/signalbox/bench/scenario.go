package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// scenario is one kind of load.
type scenario struct {
	name  string
	about string // one line for the help
	unit  string // what its processor time is divided by
	fresh bool   // memory is measured: compare starts the server anew for it
	own   bool   // brings its own server and ignores --url
	door  bool   // needs what signalbox has beyond the two apps; some need --jwt-secret or --api-key

	cluster bool // for several servers

	clients func(o *options) int                                    // connections it holds at a time
	run     func(ctx context.Context, r *runner, res *Result) error // fills res
	runs    func(ctx context.Context, r *runner) (results []Result) // instead of run, with own
}

// scenarios lists all scenarios in the order they run.
func scenarios() []scenario {
	return []scenario{
		{
			name: "idle", about: "clients that connect and stay: connect rate, CPU per connect, memory per connection",
			unit: "connect", fresh: true, run: runIdle,
			clients: func(o *options) int { return o.idleClients },
		},
		{
			name: "burst", about: "messages to a room as fast as they can be sent",
			unit: "delivery", run: runBurst,
			clients: func(o *options) int { return o.burstMembers + 1 },
		},
		{
			name: "steady", about: "messages to a room at a steady rate",
			unit: "delivery", run: runSteady,
			clients: func(o *options) int { return o.steadyMembers + 1 },
		},
		{
			name: "pairs", about: "messages from user to user",
			unit: "message", run: runPairs,
			clients: func(o *options) int { return o.pairsClients },
		},
		{
			name: "ack", about: "events with a callback at a steady rate",
			unit: "round trip", run: runAck,
			clients: func(o *options) int { return o.ackClients },
		},
		{
			name: "echo", about: "events with a callback, the next one when the last was answered",
			unit: "round trip", run: runEcho,
			clients: func(o *options) int { return o.ackClients },
		},
		{
			name: "storm", about: "users that log in to one chat room at once, until all have the full list",
			unit: "login", run: runStorm,
			clients: func(o *options) int { return o.stormUsers },
		},
		{
			name: "polling", about: "messages from user to user over HTTP long polling",
			unit: "message", run: runPolling,
			clients: func(o *options) int { return 2*o.pollingClients + 32 },
		},
		{
			name: "churn", about: "clients that connect and leave: CPU per visit, leaked descriptors",
			unit: "visit", run: runChurn,
			clients: func(o *options) int { return o.churnParallel },
		},
		{
			name: "slow", about: "a room with members that stop reading: do the others notice, does memory grow",
			unit: "delivery", fresh: true, run: runSlow,
			clients: func(o *options) int { return o.slowFast + o.slowClients + 1 },
		},
		{
			name: "ws", about: "plain WebSockets on /ws that connect and stay: memory per connection",
			unit: "connect", fresh: true, door: true, run: runIdleDoor(doorText),
			clients: func(o *options) int { return o.doorClients },
		},
		{
			name: "sse", about: "event streams of /events that connect and stay: memory per connection",
			unit: "connect", fresh: true, door: true, run: runIdleDoor(doorEvents),
			clients: func(o *options) int { return o.doorClients },
		},
		{
			name: "chat", about: "messages to a room of /chat, the next one when everybody has the last, all over Socket.IO",
			unit: "delivery", door: true, run: runChat,
			clients: func(o *options) int { return o.mixedMembers },
		},
		{
			name: "mixed", about: "the same with one third each of Socket.IO, plain WebSockets and event streams",
			unit: "delivery", door: true, run: runMixed,
			clients: func(o *options) int { return o.mixedMembers },
		},
		{
			name: "publish", about: "POST /api/publish over connections that are kept, the next one when the last was answered",
			unit: "publish", door: true, run: runPublish,
			clients: func(o *options) int { return o.publishClients + 1 },
		},
		{
			name: "say", about: "messages to many rooms of /chat, in each the next one when the last came back: what the history costs",
			unit: "message", door: true, run: runSay,
			clients: func(o *options) int { return o.sayRooms * o.sayMembers },
		},
		{
			name: "cross", about: "messages from users of the first server to users of the second",
			unit: "message", cluster: true, run: runCross(recipientsSecond, false),
			clients: func(o *options) int { return 2 * o.crossUsers },
		},
		{
			name: "crossack", about: "the same with a callback, which tells to how many it was delivered",
			unit: "message", cluster: true, run: runCross(recipientsSecond, true),
			clients: func(o *options) int { return 2 * o.crossUsers },
		},
		{
			name: "fan", about: "messages from users of the first server to users that are on every server",
			unit: "message", cluster: true, run: runCross(recipientsEverywhere, false),
			clients: func(o *options) int { return (1 + len(o.urls)) * o.crossUsers },
		},
		{
			name: "absent", about: "messages from users of the first server to users that are nowhere",
			unit: "message", cluster: true, run: runCross(recipientsNowhere, false),
			clients: func(o *options) int { return o.crossUsers },
		},
		{
			name: "join", about: "clients of the first server that become sockets of user after user, the next one when the last join was answered",
			unit: "join", cluster: true, run: runJoin,
			clients: func(o *options) int { return o.joinClients },
		},
		{
			name: "limits", about: "the machine's own limit: steady, pairs, ack and echo against a server that does nothing else",
			own: true, runs: runLimits,
		},
	}
}

// lingering is how long a scenario listens on when all has arrived: doubles come late.
const lingering = 200 * time.Millisecond

// roomBuffer is the read buffer of members of a room: large enough for a burst in few system calls.
const roomBuffer = 32 << 10

// arrivals is what the receivers of a scenario share.
type arrivals struct {
	padding   []byte
	delivered atomic.Int64
	latency   histogram
	inboxes   []*inbox
}

// newArrivals makes the accounts of n receivers: receiver i gets messages 1 to limit of sender(i).
func newArrivals(n int, limit int64, padBytes int, sender func(i int) int64) *arrivals {
	a := &arrivals{padding: bytes.Repeat([]byte{'x'}, padBytes), inboxes: make([]*inbox, n)}
	for i := range a.inboxes {
		a.inboxes[i] = newInbox(sender(i), limit)
	}
	return a
}

// receiver returns the callbacks of receiver i.
func (a *arrivals) receiver(i int) callbacks {
	return callbacks{event: func(at int64, event []byte) {
		if m, ok := readStamp(event, a.padding); ok {
			a.record(i, at, m)
		}
	}}
}

// record notes a message that receiver i got, and reports whether it is one not seen before.
func (a *arrivals) record(i int, at int64, m stamp) bool {
	fresh := a.inboxes[i].record(m)
	if fresh {
		a.latency.record(at - m.due)
		a.delivered.Add(1)
	}
	return fresh
}

// finish waits for stragglers and writes counts and latency into the result. sent tells how many messages the sender
// of receiver i really sent.
func (a *arrivals) finish(ctx context.Context, res *Result, sent func(i int) int64) error {
	err := pause(ctx, lingering)
	for i, in := range a.inboxes {
		res.Counts.add(in.counts(sent(i)))
	}
	res.Units = res.Counts.Delivered
	res.Latency = a.latency.latency()
	return err
}

// noteLate adds a remark if the generator could not keep its own schedule.
func noteLate(res *Result, late time.Duration) {
	if late > 50*time.Millisecond {
		res.note(fmt.Sprintf("the generator was up to %v behind its schedule", late.Round(time.Millisecond)))
	}
}
