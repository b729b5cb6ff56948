package cuts

import (
	"context"
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

// options are the settings of "signalbox-bench cuts", from its flags.
type options struct {
	servers   []string
	scenarios []load.Scenario
	runs      int
	clients   int
	avalanche int
	out       string
	peers     string
	signalbox string
	node      string
	args      []string
	load      []string // more flags of the load
}

// servers are those that are measured, in the order of the report; names are as the report has them.
var servers = []struct{ key, name string }{
	{"signalbox", "signalbox, RECOVERY=true"}, {"recovery", "Node with recovery"}, {"node", "Node"}, {"stock", "stock library"},
}

const scenarioNames = "jitter,blackhole,avalanche,deploy"

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	var chosen, names, more string
	fs := flag.NewFlagSet("signalbox-bench cuts", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: signalbox-bench cuts [flags]\n\nBreaks connections, and restarts servers, of signalbox with recovery, of Node's socket.io with it and without, and of\n"+
			"the stock library; measures what arrives and when clients are back, and writes the table. Needs Go, Node and npm;\nabout twenty minutes for each run of everything.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	var keys []string
	for _, s := range servers {
		keys = append(keys, s.key)
	}
	fs.StringVar(&chosen, "servers", strings.Join(keys, ","), "comma list of servers")
	fs.StringVar(&names, "scenario", scenarioNames, "comma list of scenarios")
	fs.IntVar(&o.runs, "runs", 1, "runs of everything; the table has medians")
	fs.IntVar(&o.clients, "clients", 1000, "clients of jitter, blackhole and deploy")
	fs.IntVar(&o.avalanche, "avalanche-clients", 5000, "clients of avalanche")
	fs.StringVar(&more, "load", "", "more flags for the load, such as \"--jitter-rate 10\"")
	fs.StringVar(&o.out, "out", "docs/benchmarks.md", "report to write; - prints it instead")
	fs.StringVar(&o.peers, "peers", "cmd/signalbox-bench/peers", "folder of the peers")
	fs.StringVar(&o.signalbox, "signalbox", "", "signalbox binary to measure; empty: the one beside this program")
	fs.StringVar(&o.node, "node", "node", "Node binary")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.runs < 1 || o.runs > 100 {
		return o, fmt.Errorf("--runs %d: write a number from 1 to 100", o.runs)
	}
	for key := range strings.SplitSeq(chosen, ",") {
		if !slices.Contains(keys, key) {
			return o, fmt.Errorf("no server %q; choose from %s", key, strings.Join(keys, ", "))
		}
		o.servers = append(o.servers, key)
	}
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(strings.Split(scenarioNames, ","), name) {
			return o, fmt.Errorf("no scenario %q; choose from %s", name, scenarioNames)
		}
	}
	o.load = append([]string{"--deadline", "10m", "--jitter-clients", strconv.Itoa(o.clients), "--avalanche-clients", strconv.Itoa(o.avalanche)},
		strings.Fields(more)...)
	if _, err := load.ParseOptions(o.load, stderr); err != nil {
		return o, err
	}
	var err error
	o.scenarios, err = load.SelectScenarios(names)
	return o, err
}

// cuts is one run of "signalbox-bench cuts".
type cuts struct {
	rig.Rig
	opts     options
	versions map[string]string
	company  string
	found    map[string]map[string][]measure.Result // scenario, server, one result per run
}

// Run carries out "signalbox-bench cuts".
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	c := &cuts{opts: o, versions: map[string]string{}, found: map[string]map[string][]measure.Result{}}
	if c.Rig, err = rig.New(stderr); err != nil {
		return err
	}
	defer c.Rig.Close()
	specs := map[string]rig.Spec{}
	for _, key := range o.servers {
		if specs[key], err = c.prepare(ctx, key); err != nil {
			return fmt.Errorf("prepare %s: %w", key, err)
		}
	}
	begin, others := time.Now(), machine.NewCompany()
	for run := range o.runs {
		for _, s := range o.scenarios {
			for _, key := range o.servers {
				fmt.Fprintf(stderr, "bench: run %d of %d: %s, %s\n", run+1, o.runs, s.Name, key)
				res, err := c.measure(ctx, specs[key], s)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.Name, key, err)
				}
				if c.found[s.Name] == nil {
					c.found[s.Name] = map[string][]measure.Result{}
				}
				c.found[s.Name][key] = append(c.found[s.Name][key], res)
			}
		}
	}
	c.company = others.Remark()
	fmt.Fprintf(stderr, "bench: all runs took %v\nbench: %s\n", time.Since(begin).Round(time.Second), c.company)
	return section.Write(o.out, c.report(time.Now()), stdout, stderr)
}

// prepare builds or installs what a server needs, notes its version, and tells how to start it.
func (c *cuts) prepare(ctx context.Context, key string) (rig.Spec, error) {
	spec := rig.Spec{Name: key, Dir: c.Work}
	var err error
	switch key {
	case "signalbox":
		var binary string
		if binary, err = c.Signalbox(c.opts.signalbox); err != nil {
			return spec, err
		}
		spec.Command, spec.Env = []string{binary, "serve"}, []string{"RECOVERY=true", "LOG_LEVEL=error"}
		c.versions[key], err = rig.Output(ctx, "", binary, "version")
	case "stock":
		spec.Command, c.versions[key], err = rig.StockPeer(ctx, c.opts.peers, c.Work, c.Stderr)
	default:
		command, v, failed := rig.NodePeer(ctx, c.opts.peers, c.opts.node, c.Stderr)
		spec.Command, err = command, failed
		c.versions[key] = fmt.Sprintf("socket.io %s on Node %s", v.SocketIO, v.Node)
		if key == "recovery" {
			spec.Env = []string{"RECOVERY=1"}
		}
	}
	return spec, err
}

// measure runs a scenario against a server just started and warmed up; one that the scenario ends is started again at once.
func (c *cuts) measure(ctx context.Context, spec rig.Spec, s load.Scenario) (measure.Result, error) {
	srv, err := rig.Start(ctx, spec, c.ServerCPU, c.Stderr)
	if err != nil {
		return measure.Result{}, err
	}
	defer srv.Stop(5 * time.Second)
	if _, err := c.drive(ctx, srv, "--scenario", "churn,echo", "--churn-connects", "400", "--echo-trips", "4000"); err != nil {
		return measure.Result{}, fmt.Errorf("warm up: %w", err)
	}
	watching, stop := context.WithCancel(ctx)
	var next *rig.Server
	var failed error
	replaced := make(chan struct{})
	go func() { // ended by stop
		defer close(replaced)
		if s.Ends {
			next, failed = rig.Replace(watching, spec, srv, c.ServerCPU)
		}
	}()
	defer func() {
		stop()
		<-replaced
		if next != nil {
			next.Stop(5 * time.Second)
		}
	}()
	res, err := c.drive(ctx, srv, append([]string{"--scenario", s.Name}, c.opts.load...)...)
	stop()
	<-replaced
	switch {
	case err != nil:
		return res, err
	case failed != nil:
		return res, failed
	case next != nil && next.Dead():
		return res, fmt.Errorf("the server that was started again has ended:\n%s", next.Output)
	case !s.Ends && srv.Dead():
		return res, fmt.Errorf("the server has ended:\n%s", srv.Output)
	}
	return res, nil
}

// drive runs scenarios in a process of its own and returns the last one's result.
func (c *cuts) drive(ctx context.Context, srv *rig.Server, flags ...string) (measure.Result, error) {
	results, err := c.Load(ctx, nil, append(srv.Flags(), flags...)...)
	if err != nil {
		return measure.Result{}, err
	}
	return results[len(results)-1], nil
}
