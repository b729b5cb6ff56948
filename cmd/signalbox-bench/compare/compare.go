package compare

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

// options are the settings of "signalbox-bench compare", from its flags.
type options struct {
	servers     []string
	scenarios   []load.Scenario
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

// servers are the servers that can be compared, in the order of the report.
var servers = [...]string{"signalbox", "node", "recovery", "bun", "stock", "bare"}

// bareScenarios are those that the bare server can serve.
const bareScenarios = "steady,pairs,ack,echo"

// parseOptions reads the flags. Help goes to stderr.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	var chosen, names string
	fs := flag.NewFlagSet("signalbox-bench compare", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: signalbox-bench compare [flags]\n\nRuns the scenarios against signalbox, Node's socket.io, without and with connection state\n"+
			"recovery, the same on Bun, the stock library and a bare server in turn, each server on one\n"+
			"processor and the load on another, and writes the report. Needs Go, Node and npm; about\nfifteen minutes on an idle machine.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&chosen, "servers", strings.Join(servers[:], ","), "comma list of servers")
	fs.StringVar(&names, "scenario", "all,doors", "comma list of scenarios; those of the doors run against signalbox alone")
	fs.IntVar(&o.runs, "runs", 3, "runs of everything; the report has medians")
	fs.StringVar(&o.out, "out", "docs/benchmarks.md", "report to write; - prints it instead")
	fs.StringVar(&o.peers, "peers", "cmd/signalbox-bench/peers", "folder of the peers")
	fs.StringVar(&o.signalbox, "signalbox", "", "signalbox binary to measure; empty: the one beside this program")
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
	if o.scenarios, err = load.SelectScenarios(names); err != nil {
		return o, err
	}
	if i := slices.IndexFunc(o.scenarios, func(s load.Scenario) bool { return s.Cuts }); i >= 0 {
		return o, fmt.Errorf("--scenario %s: signalbox-bench cuts compares servers whose connections break", o.scenarios[i].Name)
	}
	o.scenarios = slices.DeleteFunc(o.scenarios, func(s load.Scenario) bool { return s.Own })
	for name := range strings.SplitSeq(chosen, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(servers[:], name) {
			return o, fmt.Errorf("no server %q; choose from %s", name, strings.Join(servers[:], ", "))
		}
		o.servers = append(o.servers, name)
	}
	if o.runs < 1 || o.runs > 100 {
		return o, fmt.Errorf("--runs %d: write a number from 1 to 100", o.runs)
	}
	if o.idleClients < 1 || o.idleClients > load.MaxClients {
		return o, fmt.Errorf("--idle-clients %d: write a number from 1 to %d", o.idleClients, load.MaxClients)
	}
	return o, nil
}

// comparison is one run of "signalbox-bench compare".
type comparison struct {
	rig.Rig
	opts     options
	versions map[string]string
	company  string                                 // who else used the machine, for the report
	results  map[string]map[string][]measure.Result // server, scenario, one per run
}

// Run carries out "signalbox-bench compare".
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	c := &comparison{opts: o, versions: map[string]string{}, results: map[string]map[string][]measure.Result{}}
	if c.Rig, err = rig.New(stderr); err != nil {
		return err
	}
	defer c.Rig.Close()

	var specs []rig.Spec
	for _, name := range o.servers {
		spec, err := c.prepare(ctx, name)
		if err != nil {
			return fmt.Errorf("prepare %s: %w", name, err)
		}
		specs = append(specs, spec)
		if name == "signalbox" {
			specs = append(specs, c.doorSpecs(spec)...)
		}
		c.results[name] = map[string][]measure.Result{}
	}
	begin, others := time.Now(), machine.NewCompany()
	for run := range o.runs {
		for _, spec := range specs {
			if !c.serves(spec) {
				continue
			}
			fmt.Fprintf(stderr, "bench: run %d of %d: %s%s\n", run+1, o.runs, spec.Name, spec.As)
			if err := c.measure(ctx, spec); err != nil {
				return fmt.Errorf("measure %s: %w", spec.Name, err)
			}
		}
	}
	c.company = others.Remark()
	fmt.Fprintf(stderr, "bench: all runs took %v\nbench: %s\n", time.Since(begin).Round(time.Second), c.company)
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(c.results); err != nil {
			return err
		}
	}
	return section.Write(o.out, c.report(time.Now()), stdout, stderr)
}

// serves reports whether any of the chosen scenarios runs against a server.
func (c *comparison) serves(spec rig.Spec) bool {
	return slices.ContainsFunc(c.opts.scenarios, func(s load.Scenario) bool { return served(spec, s) })
}

// measure runs every scenario once against one server. Scenarios that read memory get a process of their own.
func (c *comparison) measure(ctx context.Context, spec rig.Spec) error {
	var srv *rig.Server
	defer func() {
		if srv != nil {
			srv.Stop(5 * time.Second)
		}
	}()
	for _, s := range c.opts.scenarios {
		if !served(spec, s) {
			continue
		}
		if srv != nil && (s.Fresh || c.opts.cold || srv.Dead()) {
			srv.Stop(5 * time.Second)
			srv = nil
		}
		if srv == nil {
			var err error
			if srv, err = rig.Start(ctx, spec, c.ServerCPU, c.Stderr); err != nil {
				return err
			}
			if err := c.warmUp(ctx, srv, spec.Env); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
		}
		results, err := c.load(ctx, srv, spec.Env, []string{"--scenario", s.Name})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !srv.Dead() {
			return err
		}
		res := measure.Result{Scenario: s.Name, Error: "the server was gone"}
		if len(results) == 1 {
			res = results[0]
		}
		if srv.Dead() {
			res.Note("the server process ended")
			fmt.Fprintf(c.Stderr, "bench: %s ended by itself:\n%s\n", spec.Name, srv.Output)
		}
		c.results[spec.Name][s.Name+spec.As] = append(c.results[spec.Name][s.Name+spec.As], res)
		if s.Fresh {
			srv.Stop(5 * time.Second)
			srv = nil
		}
	}
	return nil
}

// warmUp lets a server compile what it compiles and fill its pools before anything is measured.
func (c *comparison) warmUp(ctx context.Context, srv *rig.Server, env []string) error {
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
func (c *comparison) load(ctx context.Context, srv *rig.Server, env, flags []string) ([]measure.Result, error) {
	return c.Load(ctx, env, slices.Concat(srv.Flags(), c.loadSizes(), flags)...)
}
