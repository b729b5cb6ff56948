package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

// The sites of "signalbox-bench cluster", as keys of its results.
const (
	siteSingle = "single" // one signalbox without REDIS_URL
	siteAlone  = "alone"  // one signalbox with REDIS_URL, nobody else
	siteEmpty  = "empty"  // two, of which the second has no clients
	siteMixed  = "mixed"  // one signalbox and one Node server, which has no clients
	siteTwo    = "two"    // two signalbox servers with clients on both
	siteNodes  = "nodes"  // two Node servers with clients on both
)

// acquaintance is how long the servers of a cluster need at most to know who is there: signalbox counts once a second.
const acquaintance = 1500 * time.Millisecond

// bench is one run of "signalbox-bench cluster".
type bench struct {
	rig.Rig
	opts     options
	own      rig.Spec
	node     *rig.Spec // nil: none
	versions []string  // for the report

	results map[string]map[string][]measure.Result // site, scenario, one per run
	growth  []growthResult
	storage []storageResult
	pubsub  []pubSubResult
}

// Run carries out "signalbox-bench cluster".
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	c := &bench{opts: o, results: map[string]map[string][]measure.Result{}}
	if c.Rig, err = rig.New(stderr); err != nil {
		return err
	}
	defer c.Rig.Close()
	begin, others := time.Now(), machine.NewCompany()
	if err := c.measure(ctx); err != nil {
		return err
	}
	remark := others.Remark()
	fmt.Fprintf(stderr, "bench: everything took %v\nbench: %s\n", time.Since(begin).Round(time.Second), remark)
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(c.results); err != nil {
			return err
		}
	}
	return section.Write(o.out, c.report(time.Now(), remark), stdout, stderr)
}

// measure runs every part that was asked for.
func (c *bench) measure(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if c.opts.has(partCross) || c.opts.has(partRoom) || c.opts.has(partLocal) {
		if err := c.measureSites(ctx); err != nil {
			return err
		}
	}
	if c.opts.has(partGrowth) {
		for _, mode := range []string{"classic", "sharded"} {
			if err := c.measureGrowth(ctx, mode); err != nil {
				return err
			}
		}
	}
	if c.opts.has(partStorage) {
		if err := c.measureStorage(ctx); err != nil {
			return err
		}
	}
	if c.opts.has(partPubSub) {
		return c.measurePubSub(ctx)
	}
	return nil
}

// prepare finds every program, so that what is missing is known before anything is measured.
func (c *bench) prepare(ctx context.Context) error {
	binary, err := c.Signalbox(c.opts.signalbox)
	if err != nil {
		return err
	}
	version, err := rig.Output(ctx, "", binary, "version")
	if err != nil {
		return err
	}
	// Servers that stop have nobody to hand over.
	c.own = rig.Spec{Name: "signalbox", Dir: c.Work, Command: []string{binary, "serve"}, Env: []string{"DRAIN_SPREAD=0s"}}
	probe, err := startRedis(ctx, c.opts.redis, c.Work, c.ServerCPU)
	if err != nil {
		return err
	}
	defer probe.stop()
	redis, err := probe.version(ctx)
	if err != nil {
		return err
	}
	c.versions = append(c.versions, "signalbox: "+version, "Redis: "+redis+", a redis-server for each cluster")
	if c.opts.node == "" || !c.opts.has(partCross) && !c.opts.has(partRoom) && !c.opts.has(partLocal) {
		return nil
	}
	command, v, err := rig.NodePeer(ctx, c.opts.peers, c.opts.node, c.Stderr)
	if err != nil {
		return fmt.Errorf("prepare Node: %w", err)
	}
	c.node = &rig.Spec{Name: "node", Dir: c.Work, Command: command}
	c.versions = append(c.versions, fmt.Sprintf("Node: socket.io %s with @socket.io/redis-adapter %s on Node %s", v.SocketIO, v.Adapter, v.Node))
	return nil
}

// open starts a site. What was started has to be stopped also after an error.
func (c *bench) open(ctx context.Context, s *site, alone bool, specs ...rig.Spec) error {
	if !alone {
		var err error
		if s.redis, err = startRedis(ctx, c.opts.redis, c.Work, c.ServerCPU); err != nil {
			return err
		}
	}
	for _, spec := range specs {
		if err := s.add(ctx, spec, c.ServerCPU, c.Stderr); err != nil {
			return err
		}
	}
	return nil
}

// load puts load on the first n servers of a site, in a process of its own, and returns one result per scenario.
func (c *bench) load(ctx context.Context, s *site, n int, scenarios string, flags ...string) ([]measure.Result, error) {
	if err := s.dead(); err != nil {
		return nil, err
	}
	args := append([]string{"--url", s.urls(n), "--pid", s.pids(), "--scenario", scenarios, "--deadline", "45s"}, flags...)
	results, err := c.Load(ctx, nil, args...)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if dead := s.dead(); dead != nil {
		return nil, dead
	}
	return results, err
}

// keep stores the results of one load under a site's name.
func (c *bench) keep(name string, results []measure.Result) {
	if c.results[name] == nil {
		c.results[name] = map[string][]measure.Result{}
	}
	for _, r := range results {
		c.results[name][r.Scenario] = append(c.results[name][r.Scenario], r)
	}
}

// warmUp lets servers compile what they compile and fill their pools, and lets those of a cluster hear of each other.
func (c *bench) warmUp(ctx context.Context, servers []*rig.Server) error {
	var running sync.WaitGroup
	faults := make([]error, len(servers))
	for i, srv := range servers {
		if c.opts.cold {
			break
		}
		running.Go(func() {
			one := &site{name: srv.Name, servers: []*rig.Server{srv}}
			_, faults[i] = c.load(ctx, one, 1, "churn,echo", "--churn-connects", "300", "--echo-trips", "4000")
		})
	}
	running.Wait()
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return measure.Pause(ctx, acquaintance)
}

// measureSites runs cross, room and local: all sites stand at the same time, and each run goes over all of them, so that
// what is compared was measured within seconds.
func (c *bench) measureSites(ctx context.Context) error {
	sites, stop, err := c.openSites(ctx)
	defer stop()
	if err != nil {
		return err
	}
	length := c.opts.length.String()
	local := []string{"--pairs-time", length, "--ack-time", length, "--cross-time", length, "--cross-rate", "15000", "--burst-rounds", "2"}
	cross := []string{"--cross-time", length}
	busy := append([]string{"--cross-rate", "15000"}, cross...)
	room := []string{"--steady-members", "500", "--steady-rate", "40", "--steady-time", length}
	steps := []struct {
		part, site, as string
		servers        int
		scenarios      string
		flags          []string
	}{
		{partCross, siteSingle, siteSingle, 1, "cross,absent", cross},
		{partCross, siteTwo, siteTwo, 2, "cross,crossack", cross},
		{partCross, siteSingle, siteSingle + whenBusy, 1, "cross,absent", busy},
		{partCross, siteTwo, siteTwo + whenBusy, 2, "cross", busy},
		{partCross, siteNodes, siteNodes, 2, "cross", cross},
		{partRoom, siteTwo, siteTwo, 2, "burst,steady", room},
		{partRoom, siteNodes, siteNodes, 2, "burst,steady", room},
		{partLocal, siteSingle, siteSingle + onlyLocal, 1, localScenarios, local},
		{partLocal, siteAlone, siteAlone, 1, localScenarios, local},
		{partLocal, siteTwo, siteEmpty, 1, localScenarios, local},
		{partLocal, siteMixed, siteMixed, 1, localScenarios, local},
	}
	for run := range c.opts.runs {
		for _, step := range steps {
			s := sites[step.site]
			if s == nil || !c.opts.has(step.part) {
				continue
			}
			fmt.Fprintf(c.Stderr, "bench: run %d of %d: %s: %s\n", run+1, c.opts.runs, step.as, step.scenarios)
			results, err := c.load(ctx, s, step.servers, step.scenarios, step.flags...)
			if err != nil {
				return err
			}
			c.keep(step.as, results)
		}
	}
	return nil
}

// localScenarios are what is compared with and without REDIS_URL.
const localScenarios = "pairs,crossack,ack,burst"

// What stands behind the names of sites in the results, where they have a scenario in several sizes.
const (
	onlyLocal = ", local"
	whenBusy  = ", busy"
)

// openSites starts the sites that the parts need, warm.
func (c *bench) openSites(ctx context.Context) (sites map[string]*site, stop func(), err error) {
	sites = map[string]*site{}
	stop = func() {
		for _, s := range sites {
			s.stop()
		}
	}
	var servers []*rig.Server
	local, both := c.opts.has(partLocal), c.opts.has(partCross) || c.opts.has(partRoom)
	for _, want := range []struct {
		name    string
		wanted  bool
		servers []*rig.Spec
	}{
		{siteSingle, local || c.opts.has(partCross), []*rig.Spec{&c.own}},
		{siteAlone, local, []*rig.Spec{&c.own}},
		{siteTwo, true, []*rig.Spec{&c.own, &c.own}},
		{siteMixed, local, []*rig.Spec{&c.own, c.node}},
		{siteNodes, both, []*rig.Spec{c.node, c.node}},
	} {
		if !want.wanted || slices.Contains(want.servers, nil) {
			continue
		}
		s := &site{name: want.name}
		sites[want.name] = s
		var specs []rig.Spec
		for _, spec := range want.servers {
			specs = append(specs, *spec)
		}
		if err := c.open(ctx, s, want.name == siteSingle, specs...); err != nil {
			return sites, stop, err
		}
		servers = append(servers, s.servers...)
	}
	return sites, stop, c.warmUp(ctx, servers)
}

// growthResult is what a number of servers cost.
type growthResult struct {
	mode    string
	servers int
	// cross: the recipients are on the second server. fan: on every server. join: fresh rooms; again: rooms that were announced.
	cross, fan, join, again measure.Result
}

// measureGrowth measures clusters of more and more servers in one mode.
func (c *bench) measureGrowth(ctx context.Context, mode string) error {
	s := &site{name: mode}
	defer s.stop()
	spec := c.own
	spec.Env = append(slices.Clone(spec.Env), "REDIS_MODE="+mode)
	if err := c.open(ctx, s, false); err != nil {
		return err
	}
	for _, n := range c.opts.growth {
		before := len(s.servers)
		for len(s.servers) < n {
			if err := s.add(ctx, spec, c.ServerCPU, c.Stderr); err != nil {
				return err
			}
		}
		if err := c.warmUp(ctx, s.servers[before:]); err != nil {
			return err
		}
		fmt.Fprintf(c.Stderr, "bench: %d servers, %s\n", n, mode)
		results, err := c.load(ctx, s, n, "join,join,cross,fan", "--cross-time", c.opts.length.String(), "--join-rooms", strconv.Itoa(20))
		if err != nil {
			return err
		}
		if len(results) != 4 {
			return fmt.Errorf("%d results of 4", len(results))
		}
		c.growth = append(c.growth, growthResult{mode, n, results[2], results[3], results[0], results[1]})
	}
	return nil
}
