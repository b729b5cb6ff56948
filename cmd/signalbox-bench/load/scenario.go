package load

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// Scenario is one kind of load.
type Scenario struct {
	Name  string
	about string // one line for the help
	Unit  string // what its processor time is divided by
	Fresh bool   // memory is measured: compare starts the server anew for it
	Own   bool   // brings its own server and ignores --url
	Door  bool   // needs what signalbox has beyond the two apps; some need --jwt-secret or --api-key

	cluster bool // for several servers
	Cuts    bool // connections break, and it takes a minute
	Ends    bool // with Cuts: ends the server at --pid; whoever started that starts it again
	logic   bool // with a backend of the application, which it brings

	clients func(o *options) int                                            // connections it holds at a time
	run     func(ctx context.Context, r *Runner, res *measure.Result) error // fills res
	runs    func(ctx context.Context, r *Runner) (results []measure.Result) // instead of run, with own
}

// Scenarios lists all scenarios in the order they run.
func Scenarios() []Scenario {
	return []Scenario{
		{
			Name: "idle", about: "clients that connect and stay: connect rate, CPU per connect, memory per connection",
			Unit: "connect", Fresh: true, run: runIdle,
			clients: func(o *options) int { return o.idleClients },
		},
		{
			Name: "burst", about: "messages to a room as fast as they can be sent",
			Unit: "delivery", run: runBurst,
			clients: func(o *options) int { return o.burstMembers + 1 },
		},
		{
			Name: "steady", about: "messages to a room at a steady rate",
			Unit: "delivery", run: runSteady,
			clients: func(o *options) int { return o.steadyMembers + 1 },
		},
		{
			Name: "pairs", about: "messages from user to user",
			Unit: "message", run: runPairs,
			clients: func(o *options) int { return o.pairsClients },
		},
		{
			Name: "ack", about: "events with a callback at a steady rate",
			Unit: "round trip", run: runAck,
			clients: func(o *options) int { return o.ackClients },
		},
		{
			Name: "echo", about: "events with a callback, the next one when the last was answered",
			Unit: "round trip", run: runEcho,
			clients: func(o *options) int { return o.ackClients },
		},
		{
			Name: "storm", about: "users that log in to one chat room at once, until all have the full list",
			Unit: "login", run: runStorm,
			clients: func(o *options) int { return o.stormUsers },
		},
		{
			Name: "polling", about: "messages from user to user over HTTP long polling",
			Unit: "message", run: runPolling,
			clients: func(o *options) int { return 2*o.pollingClients + 32 },
		},
		{
			Name: "churn", about: "clients that connect and leave: CPU per visit, leaked descriptors",
			Unit: "visit", run: runChurn,
			clients: func(o *options) int { return o.churnParallel },
		},
		{
			Name: "slow", about: "a room with members that stop reading: do the others notice, does memory grow",
			Unit: "delivery", Fresh: true, run: runSlow,
			clients: func(o *options) int { return o.slowFast + o.slowClients + 1 },
		},
		{
			Name: "ws", about: "plain WebSockets on /ws that connect and stay: memory per connection",
			Unit: "connect", Fresh: true, Door: true, run: runIdleDoor(client.Text),
			clients: func(o *options) int { return o.doorClients },
		},
		{
			Name: "sse", about: "event streams of /events that connect and stay: memory per connection",
			Unit: "connect", Fresh: true, Door: true, run: runIdleDoor(client.Events),
			clients: func(o *options) int { return o.doorClients },
		},
		{
			Name: "chat", about: "messages to a room of /chat, the next one when everybody has the last, all over Socket.IO",
			Unit: "delivery", Door: true, run: runChat,
			clients: func(o *options) int { return o.mixedMembers },
		},
		{
			Name: "mixed", about: "the same with one third each of Socket.IO, plain WebSockets and event streams",
			Unit: "delivery", Door: true, run: runMixed,
			clients: func(o *options) int { return o.mixedMembers },
		},
		{
			Name: "publish", about: "POST /api/publish over connections that are kept, the next one when the last was answered",
			Unit: "publish", Door: true, run: runPublish,
			clients: func(o *options) int { return o.publishClients + 1 },
		},
		{
			Name: "say", about: "messages to many rooms of /chat, in each the next one when the last came back: what the history costs",
			Unit: "message", Door: true, run: runSay,
			clients: func(o *options) int { return o.sayRooms * o.sayMembers },
		},
		{
			Name: "cross", about: "messages from users of the first server to users of the second",
			Unit: "message", cluster: true, run: runCross(recipientsSecond, false),
			clients: func(o *options) int { return 2 * o.crossUsers },
		},
		{
			Name: "crossack", about: "the same with a callback, which tells to how many it was delivered",
			Unit: "message", cluster: true, run: runCross(recipientsSecond, true),
			clients: func(o *options) int { return 2 * o.crossUsers },
		},
		{
			Name: "fan", about: "messages from users of the first server to users that are on every server",
			Unit: "message", cluster: true, run: runCross(recipientsEverywhere, false),
			clients: func(o *options) int { return (1 + len(o.urls)) * o.crossUsers },
		},
		{
			Name: "absent", about: "messages from users of the first server to users that are nowhere",
			Unit: "message", cluster: true, run: runCross(recipientsNowhere, false),
			clients: func(o *options) int { return o.crossUsers },
		},
		{
			Name: "join", about: "clients of the first server that become sockets of user after user, the next one when the last join was answered",
			Unit: "join", cluster: true, run: runJoin,
			clients: func(o *options) int { return o.joinClients },
		},
		{
			Name: "jitter", about: "messages to a room whose members are cut again and again: what of them arrives",
			Unit: "delivery", Cuts: true, run: runJitter(cutConnection),
			clients: func(o *options) int { return o.jitterClients + 1 },
		},
		{
			Name: "blackhole", about: "the same with connections that fall silent, and stay open at the server",
			Unit: "delivery", Cuts: true, run: runJitter(silentConnection),
			clients: func(o *options) int { return 5*o.jitterClients + 1 },
		},
		{
			Name: "avalanche", about: "the server at --pid is killed, and started again by who runs this: when is everybody back",
			Unit: "comeback", Cuts: true, Ends: true, run: runAvalanche,
			clients: func(o *options) int { return o.avalancheClients },
		},
		{
			Name: "deploy", about: "the same with SIGTERM and messages under way: what of them arrives",
			Unit: "delivery", Cuts: true, Ends: true, run: runDeploy,
			clients: func(o *options) int { return o.jitterClients + 1 },
		},
		{
			Name: "worker", about: "echo in the namespace /worker, whose events a worker of this program handles",
			Unit: "round trip", logic: true, run: runWorker,
			clients: func(o *options) int { return o.ackClients + 1 },
		},
		{
			Name: "hook", about: "echo in the namespace /hook, whose events are posted to this program",
			Unit: "round trip", logic: true, run: runHook,
			clients: func(o *options) int { return o.ackClients + 64 },
		},
		{
			Name: "limits", about: "the machine's own limit: steady, pairs, ack and echo against a server that does nothing else",
			Own: true, runs: runLimits,
		},
	}
}

// Lingering is how long a scenario listens on when all has arrived: doubles come late.
const Lingering = 200 * time.Millisecond

// roomBuffer is the read buffer of members of a room: large enough for a burst in few system calls.
const roomBuffer = 32 << 10

// arrivals is what the receivers of a scenario share.
type arrivals struct {
	padding   []byte
	delivered atomic.Int64
	latency   measure.Histogram
	inboxes   []*measure.Inbox
}

// newArrivals makes the accounts of n receivers: receiver i gets messages 1 to limit of sender(i).
func newArrivals(n int, limit int64, padBytes int, sender func(i int) int64) *arrivals {
	a := &arrivals{padding: bytes.Repeat([]byte{'x'}, padBytes), inboxes: make([]*measure.Inbox, n)}
	for i := range a.inboxes {
		a.inboxes[i] = measure.NewInbox(sender(i), limit)
	}
	return a
}

// receiver returns the callbacks of receiver i.
func (a *arrivals) receiver(i int) client.Callbacks {
	return client.Callbacks{Event: func(at int64, event []byte) {
		if m, ok := client.ReadStamp(event, a.padding); ok {
			a.record(i, at, m)
		}
	}}
}

// record notes a message that receiver i got, and reports whether it is one not seen before.
func (a *arrivals) record(i int, at int64, m client.Stamp) bool {
	fresh := a.inboxes[i].Record(m)
	if fresh {
		a.latency.Record(at - m.Due)
		a.delivered.Add(1)
	}
	return fresh
}

// finish waits for stragglers and writes counts and latency into the result. sent tells how many messages the sender
// of receiver i really sent.
func (a *arrivals) finish(ctx context.Context, res *measure.Result, sent func(i int) int64) error {
	err := measure.Pause(ctx, Lingering)
	for i, in := range a.inboxes {
		res.Counts.Add(in.Counts(sent(i)))
	}
	res.Units = res.Counts.Delivered
	res.Latency = a.latency.Latency()
	return err
}

// noteLate adds a remark if the generator could not keep its own schedule.
func noteLate(res *measure.Result, late time.Duration) {
	if late > 50*time.Millisecond {
		res.Note(fmt.Sprintf("the generator was up to %v behind its schedule", late.Round(time.Millisecond)))
	}
}
