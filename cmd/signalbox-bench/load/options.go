package load

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the settings of one run, from its flags.
type options struct {
	urls      []string // of one server, or of several of one cluster
	path      string
	scenarios []Scenario
	pids      []int
	json      bool
	strict    bool
	deadline  time.Duration // per scenario
	quiet     time.Duration // without an arrival for so long, the rest counts as lost
	PadBytes  int
	JWTSecret string
	apiKey    string
	workerKey string
	hooksAddr string
	sizes
}

// sizes say how much each scenario does.
type sizes struct {
	idleClients    int
	idleSettle     time.Duration
	burstMembers   int
	burstMessages  int
	burstRounds    int
	steadyMembers  int
	steadyRate     float64 // messages per second
	steadyTime     time.Duration
	pairsClients   int
	pairsRate      float64 // messages per second, all clients together
	pairsTime      time.Duration
	ackClients     int
	ackRate        float64 // events per second, all clients together
	ackTime        time.Duration
	echoTrips      int // round trips, all clients together
	stormUsers     int
	pollingClients int
	pollingRate    float64 // messages per second and client
	pollingTime    time.Duration
	churnConnects  int
	churnParallel  int
	slowClients    int
	slowFast       int
	slowMessages   int
	slowBytes      int
	slowRate       float64
	doorClients    int
	mixedMembers   int
	mixedMessages  int
	publishClients int
	publishCalls   int // all clients together
	sayRooms       int
	sayMembers     int // per room
	sayMessages    int // all rooms together
	crossUsers     int
	crossRate      float64 // messages per second, all users together
	crossTime      time.Duration
	joinClients    int
	joinRooms      int // per client
	joinLeave      bool
	joinStay       time.Duration
	jitterClients  int
	jitterEvery    time.Duration
	jitterAway     time.Duration
	jitterRate     float64 // messages per second
	jitterMessages int

	avalancheClients int
	comeBack         time.Duration
}

// MaxClients bounds every number of clients: what one process may hold open.
const MaxClients = 60_000

// ParseOptions reads the flags of "signalbox-bench". Help goes to stderr.
func ParseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var urls, pids, names string
	fs := flag.NewFlagSet("signalbox-bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { usage(fs) }
	fs.StringVar(&urls, "url", "http://127.0.0.1:3000", "server under load; of a cluster a comma list of servers, over which clients are spread")
	fs.StringVar(&o.path, "path", "/socket.io/", "its Socket.IO path")
	fs.StringVar(&names, "scenario", "all", "comma list of scenarios")
	fs.StringVar(&pids, "pid", "", "process id of the server: measure its CPU time and memory (Linux); of a cluster a comma list in the order of --url, others, such as Redis, behind")
	fs.BoolVar(&o.json, "json", false, "print the results as JSON instead of a table")
	fs.BoolVar(&o.strict, "strict", false, "fail when a message got lost, doubled or reordered")
	fs.DurationVar(&o.deadline, "deadline", time.Minute, "limit per scenario")
	fs.DurationVar(&o.quiet, "quiet", 3*time.Second, "what has not arrived after so long a silence is lost")
	fs.IntVar(&o.PadBytes, "payload", 64, "bytes of padding in each message")
	fs.StringVar(&o.JWTSecret, "jwt-secret", "", "the server's JWT_SECRET, for chat, mixed and say; the environment's JWT_SECRET where it is empty")
	fs.StringVar(&o.apiKey, "api-key", "", "the server's API_KEY, for publish; the environment's API_KEY where it is empty")
	fs.StringVar(&o.workerKey, "worker-key", "", "the server's WORKER_KEY, for worker; the environment's WORKER_KEY where it is empty")
	fs.StringVar(&o.hooksAddr, "hooks-listen", "127.0.0.1:4001", "where the server's HOOKS_URL leads to, for hook")
	fs.IntVar(&o.idleClients, "idle-clients", 2000, "idle: connections")
	fs.DurationVar(&o.idleSettle, "idle-settle", 3*time.Second, "idle: wait before memory is read")
	fs.IntVar(&o.burstMembers, "burst-members", 500, "burst: members of the room")
	fs.IntVar(&o.burstMessages, "burst-messages", 200, "burst: messages per round")
	fs.IntVar(&o.burstRounds, "burst-rounds", 3, "burst: rounds")
	fs.IntVar(&o.steadyMembers, "steady-members", 1000, "steady: members of the room")
	fs.Float64Var(&o.steadyRate, "steady-rate", 20, "steady: messages per second")
	fs.DurationVar(&o.steadyTime, "steady-time", 5*time.Second, "steady: how long")
	fs.IntVar(&o.pairsClients, "pairs-clients", 200, "pairs: clients, each sends to the next")
	fs.Float64Var(&o.pairsRate, "pairs-rate", 15000, "pairs: messages per second, all together")
	fs.DurationVar(&o.pairsTime, "pairs-time", 5*time.Second, "pairs: how long")
	fs.IntVar(&o.ackClients, "ack-clients", 50, "ack, echo: clients")
	fs.Float64Var(&o.ackRate, "ack-rate", 15000, "ack: events per second, all together")
	fs.DurationVar(&o.ackTime, "ack-time", 5*time.Second, "ack: how long")
	fs.IntVar(&o.echoTrips, "echo-trips", 40000, "echo: round trips, all together")
	fs.IntVar(&o.stormUsers, "storm-users", 300, "storm: users that log in to one chat room at once")
	fs.IntVar(&o.pollingClients, "polling-clients", 300, "polling: clients, each sends to the next")
	fs.Float64Var(&o.pollingRate, "polling-rate", 2, "polling: messages per second and client")
	fs.DurationVar(&o.pollingTime, "polling-time", 5*time.Second, "polling: how long")
	fs.IntVar(&o.churnConnects, "churn-connects", 2000, "churn: connects, each followed by a disconnect")
	fs.IntVar(&o.churnParallel, "churn-parallel", 50, "churn: clients at a time")
	fs.IntVar(&o.slowClients, "slow-clients", 5, "slow: members that stop reading")
	fs.IntVar(&o.slowFast, "slow-fast", 20, "slow: members that read")
	fs.IntVar(&o.slowMessages, "slow-messages", 1500, "slow: messages")
	fs.IntVar(&o.slowBytes, "slow-bytes", 8192, "slow: bytes of padding in each message")
	fs.Float64Var(&o.slowRate, "slow-rate", 400, "slow: messages per second")
	fs.IntVar(&o.doorClients, "door-clients", 5000, "ws, sse: connections")
	fs.IntVar(&o.mixedMembers, "mixed-members", 1000, "chat, mixed: members of the room")
	fs.IntVar(&o.mixedMessages, "mixed-messages", 100, "chat, mixed: messages")
	fs.IntVar(&o.publishClients, "publish-clients", 16, "publish: connections")
	fs.IntVar(&o.publishCalls, "publish-calls", 40000, "publish: calls, all together")
	fs.IntVar(&o.sayRooms, "say-rooms", 100, "say: rooms, one member of each sends")
	fs.IntVar(&o.sayMembers, "say-members", 10, "say: members of each room")
	fs.IntVar(&o.sayMessages, "say-messages", 40000, "say: messages, all rooms together")
	fs.IntVar(&o.crossUsers, "cross-users", 100, "cross, crossack, fan, absent: senders, each with a recipient of its own")
	fs.Float64Var(&o.crossRate, "cross-rate", 5000, "cross, crossack, fan, absent: messages per second, all together")
	fs.DurationVar(&o.crossTime, "cross-time", 5*time.Second, "cross, crossack, fan, absent: how long")
	fs.IntVar(&o.joinClients, "join-clients", 50, "join: clients")
	fs.IntVar(&o.joinRooms, "join-rooms", 40, "join: joins of each client")
	fs.BoolVar(&o.joinLeave, "join-leave", false, "join: what the server does when the clients have gone counts too")
	fs.DurationVar(&o.joinStay, "join-stay", 0, "join: how long the clients stay when all have joined")
	fs.IntVar(&o.jitterClients, "jitter-clients", 1000, "jitter, blackhole, deploy: members of the room")
	fs.DurationVar(&o.jitterEvery, "jitter-every", 15*time.Second, "jitter, blackhole: from one cut of a member to its next")
	fs.DurationVar(&o.jitterAway, "jitter-away", 2*time.Second, "jitter, blackhole: how long a cut lasts")
	fs.Float64Var(&o.jitterRate, "jitter-rate", 2, "jitter, blackhole, deploy: messages per second")
	fs.IntVar(&o.jitterMessages, "jitter-messages", 120, "jitter, blackhole, deploy: messages; deploy ends the server after a third of them")
	fs.IntVar(&o.avalancheClients, "avalanche-clients", 5000, "avalanche: members of the room")
	fs.DurationVar(&o.comeBack, "come-back", 2*time.Minute, "avalanche, deploy: who is not back by then does not come back")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	// Not the flags' defaults: the help would print them.
	o.JWTSecret = cmp.Or(o.JWTSecret, os.Getenv("JWT_SECRET"))
	o.apiKey = cmp.Or(o.apiKey, os.Getenv("API_KEY"))
	o.workerKey = cmp.Or(o.workerKey, os.Getenv("WORKER_KEY"))
	if fs.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	for url := range strings.SplitSeq(urls, ",") {
		o.urls = append(o.urls, strings.TrimSpace(url))
	}
	var err error
	if o.pids, err = parsePIDs(pids); err != nil {
		return options{}, err
	}
	if o.scenarios, err = SelectScenarios(names); err != nil {
		return options{}, err
	}
	return o, o.check()
}

// parsePIDs reads a comma list of process ids. An empty one and 0 mean none.
func parsePIDs(list string) ([]int, error) {
	if list == "" || list == "0" {
		return nil, nil
	}
	var pids []int
	for text := range strings.SplitSeq(list, ",") {
		pid, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || pid < 1 || pid > 1<<22 {
			return nil, fmt.Errorf("--pid %s: write process ids, separated by commas", list)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// usage prints the help text.
func usage(fs *flag.FlagSet) {
	out := fs.Output()
	fmt.Fprint(out, "Usage: signalbox-bench [flags]\n       signalbox-bench compare [flags]\n       signalbox-bench cluster [flags]\n       signalbox-bench growth [flags]\n       signalbox-bench cuts [flags]\n\n"+
		"Puts load on a Socket.IO server with the broker and the chat, and measures.\n\nScenarios:\n")
	for _, s := range Scenarios() {
		if !s.Door && !s.cluster && !s.Cuts && !s.logic {
			fmt.Fprintf(out, "  %-8s %s\n", s.Name, s.about)
		}
	}
	fmt.Fprint(out, "\nScenarios of signalbox alone, or \"doors\" for all of them:\n")
	for _, s := range Scenarios() {
		if s.Door {
			fmt.Fprintf(out, "  %-8s %s\n", s.Name, s.about)
		}
	}
	fmt.Fprint(out, "\nScenarios of a cluster, or \"cluster\" for all of them; against one server they measure what does not cross:\n")
	for _, s := range Scenarios() {
		if s.cluster {
			fmt.Fprintf(out, "  %-8s %s\n", s.Name, s.about)
		}
	}
	fmt.Fprint(out, "\nScenarios of connections that break, or \"cuts\" for jitter and blackhole; they take a minute, so write --deadline 3m:\n")
	for _, s := range Scenarios() {
		if s.Cuts {
			fmt.Fprintf(out, "  %-8s %s\n", s.Name, s.about)
		}
	}
	fmt.Fprint(out, "\nScenarios of the application's own logic, or \"logic\" for all of them; docs/benchmarks.md has the server's settings:\n")
	for _, s := range Scenarios() {
		if s.logic {
			fmt.Fprintf(out, "  %-8s %s\n", s.Name, s.about)
		}
	}
	fmt.Fprint(out, "\nFlags:\n")
	fs.PrintDefaults()
}

// SelectScenarios finds the scenarios of a comma list; "all" stands for those that load any server at --url, "doors" for
// those of signalbox alone, "cluster" for those of several servers, "cuts" for those of connections that break while the server stays, "logic" for those with a backend.
func SelectScenarios(names string) ([]Scenario, error) {
	all := Scenarios()
	var chosen []Scenario
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if name == "all" || name == "doors" || name == "cluster" || name == "cuts" || name == "logic" {
			for _, s := range all {
				if !s.Own && !s.Ends && s.Door == (name == "doors") && s.cluster == (name == "cluster") && s.Cuts == (name == "cuts") && s.logic == (name == "logic") {
					chosen = append(chosen, s)
				}
			}
			continue
		}
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q; choose from %s, all, doors, cluster, cuts or logic", name, strings.Join(scenarioNames(), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// scenarioNames lists every scenario.
func scenarioNames() []string {
	var names []string
	for _, s := range Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// check reports every setting that makes no sense.
func (o *options) check() error {
	var errs []error
	for _, n := range []struct {
		flag   string
		value  int
		lo, hi int
	}{
		{"payload", o.PadBytes, 1, 500_000},
		{"idle-clients", o.idleClients, 1, MaxClients},
		{"burst-members", o.burstMembers, 1, MaxClients},
		{"burst-messages", o.burstMessages, 1, 1 << 20},
		{"burst-rounds", o.burstRounds, 1, 1000},
		{"steady-members", o.steadyMembers, 1, MaxClients},
		{"pairs-clients", o.pairsClients, 2, MaxClients},
		{"ack-clients", o.ackClients, 1, MaxClients},
		{"echo-trips", o.echoTrips, 1, 1 << 30},
		{"storm-users", o.stormUsers, 1, 5000},
		{"polling-clients", o.pollingClients, 2, MaxClients / 2},
		{"churn-connects", o.churnConnects, 1, 1 << 20},
		{"churn-parallel", o.churnParallel, 1, MaxClients},
		{"slow-clients", o.slowClients, 1, MaxClients},
		{"slow-fast", o.slowFast, 1, MaxClients},
		{"slow-messages", o.slowMessages, 1, 1 << 20},
		{"slow-bytes", o.slowBytes, 1, 500_000},
		{"door-clients", o.doorClients, 1, MaxClients},
		{"mixed-members", o.mixedMembers, 1, MaxClients},
		{"mixed-messages", o.mixedMessages, 1, 1 << 20},
		{"publish-clients", o.publishClients, 1, MaxClients},
		{"publish-calls", o.publishCalls, 1, 1 << 30},
		{"say-rooms", o.sayRooms, 1, MaxClients},
		{"say-members", o.sayMembers, 1, MaxClients},
		{"say-messages", o.sayMessages, 1, 1 << 30},
		{"cross-users", o.crossUsers, 1, MaxClients / 2},
		{"join-clients", o.joinClients, 1, MaxClients},
		{"join-rooms", o.joinRooms, 1, 1000},
		{"jitter-clients", o.jitterClients, 1, MaxClients / 5},
		{"jitter-messages", o.jitterMessages, 1, 1 << 20},
		{"avalanche-clients", o.avalancheClients, 1, MaxClients},
	} {
		if n.value < n.lo || n.value > n.hi {
			errs = append(errs, fmt.Errorf("--%s %d: write a number from %d to %d", n.flag, n.value, n.lo, n.hi))
		}
	}
	for _, r := range []struct {
		flag  string
		value float64
	}{
		{"steady-rate", o.steadyRate}, {"pairs-rate", o.pairsRate},
		{"ack-rate", o.ackRate}, {"polling-rate", o.pollingRate}, {"slow-rate", o.slowRate}, {"cross-rate", o.crossRate},
		{"jitter-rate", o.jitterRate},
	} {
		if !(r.value > 0 && r.value <= 10_000_000) {
			errs = append(errs, fmt.Errorf("--%s %v: write a number above 0", r.flag, r.value))
		}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"deadline", o.deadline}, {"quiet", o.quiet}, {"steady-time", o.steadyTime},
		{"pairs-time", o.pairsTime}, {"ack-time", o.ackTime}, {"polling-time", o.pollingTime}, {"cross-time", o.crossTime},
		{"jitter-every", o.jitterEvery}, {"jitter-away", o.jitterAway}, {"come-back", o.comeBack},
	} {
		if d.value <= 0 || d.value > time.Hour {
			errs = append(errs, fmt.Errorf("--%s %v: write a duration such as 5s, at most 1h", d.flag, d.value))
		}
	}
	if o.joinStay < 0 || o.joinStay > time.Hour {
		errs = append(errs, fmt.Errorf("--join-stay %v: write a duration such as 3s", o.joinStay))
	}
	if o.idleSettle < 0 || o.idleSettle > time.Hour {
		errs = append(errs, fmt.Errorf("--idle-settle %v: write a duration such as 3s", o.idleSettle))
	}
	return errors.Join(errs...)
}
