package growth

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

// options are the settings of "signalbox-bench growth", from its flags.
type options struct {
	runs      int
	scale     int // sizes are divided by it
	out       string
	signalbox string
	args      []string
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	fs := flag.NewFlagSet("signalbox-bench growth", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: signalbox-bench growth [flags]\n\nMeasures how what one server spends grows with the members of a room, the clients that are connected\n"+
			"and the rooms that are there, and writes the table. About ten minutes on an idle machine.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.IntVar(&o.runs, "runs", 3, "runs of everything; the table has medians")
	fs.IntVar(&o.scale, "scale", 1, "divide all sizes by it, for a quick look")
	fs.StringVar(&o.out, "out", "docs/benchmarks.md", "report to write; - prints it instead")
	fs.StringVar(&o.signalbox, "signalbox", "", "signalbox binary to measure; empty: the one beside this program")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.runs < 1 || o.runs > 100 {
		return o, fmt.Errorf("--runs %d: write a number from 1 to 100", o.runs)
	}
	if o.scale < 1 || o.scale > 1000 {
		return o, fmt.Errorf("--scale %d: write a number from 1 to 1000", o.scale)
	}
	return o, nil
}

// growth is one run of "signalbox-bench growth".
type growth struct {
	rig.Rig
	opts    options
	binary  string
	version string
	company string
	found   map[string]map[int][]measure.Result // curve, size, one result per run
}

// Run carries out "signalbox-bench growth".
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	g := &growth{opts: o, found: map[string]map[int][]measure.Result{}}
	if g.Rig, err = rig.New(stderr); err != nil {
		return err
	}
	defer g.Rig.Close()
	if g.binary, err = g.Signalbox(o.signalbox); err != nil {
		return err
	}
	if g.version, err = rig.Output(ctx, "", g.binary, "version"); err != nil {
		return err
	}
	begin, others := time.Now(), machine.NewCompany()
	for run := range o.runs {
		for _, c := range curves() {
			for _, size := range c.sizes {
				if c.anyCPU == nil {
					size = max(size/o.scale, c.least)
				}
				fmt.Fprintf(stderr, "bench: run %d of %d: %s, %d\n", run+1, o.runs, c.name, size)
				res, err := g.point(ctx, c, size)
				if err != nil {
					return fmt.Errorf("%s, %d: %w", c.name, size, err)
				}
				if g.found[c.name] == nil {
					g.found[c.name] = map[int][]measure.Result{}
				}
				g.found[c.name][size] = append(g.found[c.name][size], res)
			}
		}
	}
	g.company = others.Remark()
	fmt.Fprintf(stderr, "bench: all runs took %v\nbench: %s\n", time.Since(begin).Round(time.Second), g.company)
	return section.Write(o.out, g.report(time.Now()), stdout, stderr)
}

// point measures one size of a curve on a server just started.
func (g *growth) point(ctx context.Context, c curve, size int) (measure.Result, error) {
	cpu := g.ServerCPU
	if c.anyCPU != nil && c.anyCPU(size) {
		cpu = -1
	}
	srv, err := rig.Start(ctx, rig.Spec{Name: "signalbox", Command: []string{g.binary, "serve"}, Dir: g.Work,
		Env: []string{"MAX_ROOMS_PER_CLIENT=1000000", "LOG_LEVEL=error"}}, cpu, g.Stderr)
	if err != nil {
		return measure.Result{}, err
	}
	defer srv.Stop(10 * time.Second)
	if _, err := g.load(ctx, srv, "--scenario", "churn,echo", "--churn-connects", "400", "--echo-trips", "4000"); err != nil {
		return measure.Result{}, fmt.Errorf("warm up: %w", err)
	}
	if c.crowd != nil && size > 0 {
		stop, err := g.hold(ctx, srv, c.crowd(size))
		if err != nil {
			return measure.Result{}, err
		}
		defer stop()
	}
	return g.load(ctx, srv, c.flags(size)...)
}

// hold runs a scenario in a process of its own until stop, and returns when its clients are there and do nothing any more.
func (g *growth) hold(ctx context.Context, srv *rig.Server, flags []string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { // ended by stop
		_, err := g.Away(ctx, nil, slices.Concat(srv.Flags(), flags, []string{"--idle-settle", "20m", "--deadline", "30m"}))
		ended <- err
	}()
	stop = func() { cancel(); <-ended }
	procs := measure.Watched(srv.PID())
	if err := measure.Pause(ctx, 3*time.Second); err != nil {
		stop()
		return nil, err
	}
	if err := measure.Calm(ctx, procs, 3*time.Minute); err != nil {
		stop()
		return nil, err
	}
	select {
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("those who were to stay have gone: %w", err)
	default:
		return stop, nil
	}
}

// load runs scenarios in a process of its own and returns the last one's result.
func (g *growth) load(ctx context.Context, srv *rig.Server, flags ...string) (measure.Result, error) {
	results, err := g.Load(ctx, nil, append(srv.Flags(), flags...)...)
	if err != nil {
		return measure.Result{}, err
	}
	res := results[len(results)-1]
	if !res.OK() {
		return res, fmt.Errorf("load: %s: %s, %d lost: %w", res.Scenario, res.Error, res.Counts.Lost, load.ErrNotClean)
	}
	return res, nil
}
