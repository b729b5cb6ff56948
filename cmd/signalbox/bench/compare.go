package bench

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// compareOptions are the settings of "signalbox bench compare", from its flags.
type compareOptions struct {
	servers     []string
	scenarios   []scenario
	runs        int
	out         string
	peers       string
	signalbox   string
	node        string
	idleClients int
	cold        bool
	json        bool
	args        []string // as given, for the report
}

// compareServers are the servers that can be compared, in the order of the report.
var compareServers = [...]string{"signalbox", "node", "stock", "bare"}

// bareScenarios are those that the bare server can serve.
const bareScenarios = "steady,pairs,ack,echo"

// parseCompare reads the flags. Help goes to stderr.
func parseCompare(args []string, stderr io.Writer) (compareOptions, error) {
	o := compareOptions{args: args}
	var servers, names string
	fs := flag.NewFlagSet("signalbox bench compare", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: signalbox bench compare [flags]\n\nRuns the scenarios against signalbox, Node's socket.io, the stock library and a bare\n"+
			"server in turn, each server on one processor and the load on another, and writes\nthe report. Needs Go, Node and npm; about ten minutes on an idle machine.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&servers, "servers", strings.Join(compareServers[:], ","), "comma list of servers")
	fs.StringVar(&names, "scenario", "all,doors", "comma list of scenarios; those of the doors run against signalbox alone")
	fs.IntVar(&o.runs, "runs", 3, "runs of everything; the report has medians")
	fs.StringVar(&o.out, "out", "docs/benchmarks.md", "report to write; - prints it instead")
	fs.StringVar(&o.peers, "peers", "cmd/signalbox/bench/peers", "folder of the peers")
	fs.StringVar(&o.signalbox, "signalbox", "", "signalbox binary to measure; empty: this one")
	fs.StringVar(&o.node, "node", "node", "Node binary")
	fs.IntVar(&o.idleClients, "idle-clients", 10000, "idle: connections")
	fs.BoolVar(&o.cold, "cold", false, "start every server anew for every scenario and do not warm it up")
	fs.BoolVar(&o.json, "json", false, "also print every result as JSON on standard output")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	var err error
	if o.scenarios, err = selectScenarios(names); err != nil {
		return o, err
	}
	o.scenarios = slices.DeleteFunc(o.scenarios, func(s scenario) bool { return s.own })
	for name := range strings.SplitSeq(servers, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(compareServers[:], name) {
			return o, fmt.Errorf("no server %q; choose from %s", name, strings.Join(compareServers[:], ", "))
		}
		o.servers = append(o.servers, name)
	}
	if o.runs < 1 || o.runs > 100 {
		return o, fmt.Errorf("--runs %d: write a number from 1 to 100", o.runs)
	}
	if o.idleClients < 1 || o.idleClients > maxClients {
		return o, fmt.Errorf("--idle-clients %d: write a number from 1 to %d", o.idleClients, maxClients)
	}
	return o, nil
}

// comparison is one run of "signalbox bench compare".
type comparison struct {
	rig
	opts     compareOptions
	versions map[string]string
	company  string                         // who else used the machine, for the report
	results  map[string]map[string][]Result // server, scenario, one per run
}

// runCompare carries out "signalbox bench compare".
func runCompare(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseCompare(args, stderr)
	if err != nil {
		return err
	}
	c := &comparison{opts: o, versions: map[string]string{}, results: map[string]map[string][]Result{}}
	if c.rig, err = newRig(stderr); err != nil {
		return err
	}
	defer c.rig.close()

	var specs []serverSpec
	for _, name := range o.servers {
		spec, err := c.prepare(ctx, name)
		if err != nil {
			return fmt.Errorf("prepare %s: %w", name, err)
		}
		specs = append(specs, spec)
		if name == "signalbox" {
			specs = append(specs, c.doorSpecs(spec)...)
		}
		c.results[name] = map[string][]Result{}
	}
	begin, others := time.Now(), newCompany()
	for run := range o.runs {
		for _, spec := range specs {
			if !c.serves(spec) {
				continue
			}
			fmt.Fprintf(stderr, "bench: run %d of %d: %s%s\n", run+1, o.runs, spec.name, spec.as)
			if err := c.measure(ctx, spec); err != nil {
				return fmt.Errorf("measure %s: %w", spec.name, err)
			}
		}
	}
	c.company = others.remark()
	fmt.Fprintf(stderr, "bench: all runs took %v\nbench: %s\n", time.Since(begin).Round(time.Second), c.company)
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(c.results); err != nil {
			return err
		}
	}
	report := c.report(time.Now())
	if o.out == "-" {
		_, err := io.WriteString(stdout, report)
		return err
	}
	if err := writeSection(o.out, compareSection, report); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "bench: wrote %s\n", o.out)
	return nil
}

// serves reports whether any of the chosen scenarios runs against a server.
func (c *comparison) serves(spec serverSpec) bool {
	return slices.ContainsFunc(c.opts.scenarios, spec.serves)
}

// measure runs every scenario once against one server. Scenarios that read memory get a process of their own.
func (c *comparison) measure(ctx context.Context, spec serverSpec) error {
	var srv *server
	defer func() {
		if srv != nil {
			srv.stop(5 * time.Second)
		}
	}()
	for _, s := range c.opts.scenarios {
		if !spec.serves(s) {
			continue
		}
		if srv != nil && (s.fresh || c.opts.cold || srv.dead()) {
			srv.stop(5 * time.Second)
			srv = nil
		}
		if srv == nil {
			var err error
			if srv, err = startServer(ctx, spec, c.serverCPU, c.stderr); err != nil {
				return err
			}
			if err := c.warmUp(ctx, srv, spec.env); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
		}
		results, err := c.load(ctx, srv, spec.env, []string{"--scenario", s.name})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !srv.dead() {
			return err
		}
		res := Result{Scenario: s.name, Error: "the server was gone"}
		if len(results) == 1 {
			res = results[0]
		}
		if srv.dead() {
			res.note("the server process ended")
			fmt.Fprintf(c.stderr, "bench: %s ended by itself:\n%s\n", spec.name, srv.output)
		}
		c.results[spec.name][s.name+spec.as] = append(c.results[spec.name][s.name+spec.as], res)
		if s.fresh {
			srv.stop(5 * time.Second)
			srv = nil
		}
	}
	return nil
}

// warmUp lets a server compile what it compiles and fill its pools before anything is measured.
func (c *comparison) warmUp(ctx context.Context, srv *server, env []string) error {
	if c.opts.cold {
		return nil
	}
	_, err := c.load(ctx, srv, env, []string{"--scenario", "churn,echo", "--churn-connects", "400", "--echo-trips", "4000"})
	return err
}

// loadSizes are the sizes of a comparison where they differ from the defaults: all of it has to end in minutes.
func (c *comparison) loadSizes() []string {
	return []string{
		"--deadline", "45s", "--idle-clients", strconv.Itoa(c.opts.idleClients),
		"--steady-time", "4s", "--pairs-time", "4s", "--ack-time", "3s", "--polling-time", "4s",
	}
}

// load runs scenarios against a server in a process of its own, pinned away from the server. env is what the server's
// own environment has more: its secrets are in it.
func (c *comparison) load(ctx context.Context, srv *server, env, flags []string) ([]Result, error) {
	args := append([]string{"bench", "--json", "--url", srv.url, "--pid", strconv.Itoa(srv.pid())}, c.loadSizes()...)
	out, err := c.away(ctx, env, append(args, flags...))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var results []Result
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if len(results) == 0 {
		return nil, errors.New("load: no results")
	}
	return results, nil
}
