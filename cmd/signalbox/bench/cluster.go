package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The sites of "signalbox bench --cluster", as keys of its results.
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

// clusterBench is one run of "signalbox bench --cluster".
type clusterBench struct {
	rig
	opts     clusterOptions
	own      serverSpec
	node     *serverSpec // nil: none
	versions []string    // for the report

	results map[string]map[string][]Result // site, scenario, one per run
	growth  []growthResult
	storage []storageResult
	pubsub  []pubSubResult
}

// runCluster carries out "signalbox bench --cluster".
func runCluster(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseCluster(args, stderr)
	if err != nil {
		return err
	}
	c := &clusterBench{opts: o, results: map[string]map[string][]Result{}}
	if c.rig, err = newRig(stderr); err != nil {
		return err
	}
	defer c.rig.close()
	begin, others := time.Now(), newCompany()
	if err := c.measure(ctx); err != nil {
		return err
	}
	remark := others.remark()
	fmt.Fprintf(stderr, "bench: everything took %v\nbench: %s\n", time.Since(begin).Round(time.Second), remark)
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(c.results); err != nil {
			return err
		}
	}
	report := c.report(time.Now(), remark)
	if o.out == "-" {
		_, err := io.WriteString(stdout, report)
		return err
	}
	if err := writeSection(o.out, clusterSection, report); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "bench: wrote %s\n", o.out)
	return nil
}

// measure runs every part that was asked for.
func (c *clusterBench) measure(ctx context.Context) error {
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
func (c *clusterBench) prepare(ctx context.Context) error {
	binary := c.self
	if c.opts.signalbox != "" {
		var err error
		if binary, err = filepath.Abs(c.opts.signalbox); err != nil {
			return err
		}
	}
	version, err := output(ctx, "", binary, "version")
	if err != nil {
		return err
	}
	// Servers that stop have nobody to hand over.
	c.own = serverSpec{name: "signalbox", dir: c.work, command: []string{binary, "serve"}, env: []string{"DRAIN_SPREAD=0s"}}
	probe, err := startRedis(ctx, c.opts.redis, c.work, c.serverCPU)
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
	command, v, err := nodePeer(ctx, c.opts.peers, c.opts.node, c.stderr)
	if err != nil {
		return fmt.Errorf("prepare Node: %w", err)
	}
	c.node = &serverSpec{name: "node", dir: c.work, command: command}
	c.versions = append(c.versions, fmt.Sprintf("Node: socket.io %s with @socket.io/redis-adapter %s on Node %s", v.socketIO, v.adapter, v.node))
	return nil
}

// open starts a site. What was started has to be stopped also after an error.
func (c *clusterBench) open(ctx context.Context, s *site, alone bool, specs ...serverSpec) error {
	if !alone {
		var err error
		if s.redis, err = startRedis(ctx, c.opts.redis, c.work, c.serverCPU); err != nil {
			return err
		}
	}
	for _, spec := range specs {
		if err := s.add(ctx, spec, c.serverCPU, c.stderr); err != nil {
			return err
		}
	}
	return nil
}

// load puts load on the first n servers of a site, in a process of its own, and returns one result per scenario.
func (c *clusterBench) load(ctx context.Context, s *site, n int, scenarios string, flags ...string) ([]Result, error) {
	if err := s.dead(); err != nil {
		return nil, err
	}
	args := append([]string{"bench", "--json", "--url", s.urls(n), "--pid", s.pids(), "--scenario", scenarios, "--deadline", "45s"}, flags...)
	var results []Result
	out, err := c.away(ctx, nil, args)
	if err == nil {
		err = json.Unmarshal(out, &results)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if dead := s.dead(); dead != nil {
		return nil, dead
	}
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return results, nil
}

// keep stores the results of one load under a site's name.
func (c *clusterBench) keep(name string, results []Result) {
	if c.results[name] == nil {
		c.results[name] = map[string][]Result{}
	}
	for _, r := range results {
		c.results[name][r.Scenario] = append(c.results[name][r.Scenario], r)
	}
}

// warmUp lets servers compile what they compile and fill their pools, and lets those of a cluster hear of each other.
func (c *clusterBench) warmUp(ctx context.Context, servers []*server) error {
	var running sync.WaitGroup
	faults := make([]error, len(servers))
	for i, srv := range servers {
		if c.opts.cold {
			break
		}
		running.Go(func() {
			one := &site{name: srv.name, servers: []*server{srv}}
			_, faults[i] = c.load(ctx, one, 1, "churn,echo", "--churn-connects", "300", "--echo-trips", "4000")
		})
	}
	running.Wait()
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return pause(ctx, acquaintance)
}

// measureSites runs cross, room and local: all sites stand at the same time, and each run goes over all of them, so that
// what is compared was measured within seconds.
func (c *clusterBench) measureSites(ctx context.Context) error {
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
			fmt.Fprintf(c.stderr, "bench: run %d of %d: %s: %s\n", run+1, c.opts.runs, step.as, step.scenarios)
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
func (c *clusterBench) openSites(ctx context.Context) (sites map[string]*site, stop func(), err error) {
	sites = map[string]*site{}
	stop = func() {
		for _, s := range sites {
			s.stop()
		}
	}
	var servers []*server
	local, both := c.opts.has(partLocal), c.opts.has(partCross) || c.opts.has(partRoom)
	for _, want := range []struct {
		name    string
		wanted  bool
		servers []*serverSpec
	}{
		{siteSingle, local || c.opts.has(partCross), []*serverSpec{&c.own}},
		{siteAlone, local, []*serverSpec{&c.own}},
		{siteTwo, true, []*serverSpec{&c.own, &c.own}},
		{siteMixed, local, []*serverSpec{&c.own, c.node}},
		{siteNodes, both, []*serverSpec{c.node, c.node}},
	} {
		if !want.wanted || slices.Contains(want.servers, nil) {
			continue
		}
		s := &site{name: want.name}
		sites[want.name] = s
		var specs []serverSpec
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
	cross, fan, join, again Result
}

// measureGrowth measures clusters of more and more servers in one mode.
func (c *clusterBench) measureGrowth(ctx context.Context, mode string) error {
	s := &site{name: mode}
	defer s.stop()
	spec := c.own
	spec.env = append(slices.Clone(spec.env), "REDIS_MODE="+mode)
	if err := c.open(ctx, s, false); err != nil {
		return err
	}
	for _, n := range c.opts.growth {
		before := len(s.servers)
		for len(s.servers) < n {
			if err := s.add(ctx, spec, c.serverCPU, c.stderr); err != nil {
				return err
			}
		}
		if err := c.warmUp(ctx, s.servers[before:]); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "bench: %d servers, %s\n", n, mode)
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
