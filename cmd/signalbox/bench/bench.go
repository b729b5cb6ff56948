package bench

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// ErrNotClean is returned with --strict when a scenario failed or a message got lost, doubled or reordered.
var ErrNotClean = errors.New("not everything arrived once and in order")

// Run carries out "signalbox bench" with the arguments behind that word. Results go to stdout, progress, help and
// warnings to stderr. An error is a wrong flag, a server that cannot be measured, or [ErrNotClean]; a scenario that
// fails is a line of the result. Ending ctx ends the run within a moment.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var err error
	rest, cluster := wantsCluster(args)
	switch {
	case cluster:
		err = runCluster(ctx, rest, stdout, stderr)
	case len(args) > 0 && args[0] == "compare":
		err = runCompare(ctx, args[1:], stdout, stderr)
	case len(args) > 0 && args[0] == "bare":
		err = runBare(ctx, args[1:], stderr)
	default:
		err = runLoad(ctx, args, stdout, stderr)
	}
	if errors.Is(err, flag.ErrHelp) {
		return nil // the help is printed
	}
	return err
}

// runLoad puts load on one server.
func runLoad(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	r, err := newRunner(o, stderr)
	if err != nil {
		return err
	}
	defer r.progress.close()
	var results []Result
	clean := true
	for _, s := range o.scenarios {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, res := range r.run(ctx, s) {
			clean = clean && res.ok()
			results = append(results, res)
		}
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(results)
	} else {
		err = writeTable(stdout, results)
	}
	if err == nil && o.strict && !clean {
		err = ErrNotClean
	}
	return err
}

// runner runs scenarios against one server.
type runner struct {
	opts     options
	target   target   // of the first server
	targets  []target // of all servers; clients are spread over them
	clock    clock
	proc     *process // of the first server; nil without --pid
	procs    processes
	progress *progress
	stderr   io.Writer
}

// newRunner prepares a run.
func newRunner(o options, stderr io.Writer) (*runner, error) {
	r := &runner{opts: o, clock: clock{time.Now()}, stderr: stderr}
	for _, url := range o.urls {
		t, err := newTarget(url, o.path)
		if err != nil {
			return nil, err
		}
		r.targets = append(r.targets, t)
	}
	r.target = r.targets[0]
	for _, pid := range o.pids {
		p, err := openProcess(pid)
		if err != nil {
			return nil, err
		}
		r.procs.all = append(r.procs.all, p)
	}
	if len(r.procs.all) > 0 {
		r.proc, r.procs.servers = r.procs.all[0], min(len(r.targets), len(r.procs.all))
	}
	r.progress = newProgress(stderr)
	return r, nil
}

// run runs one scenario within its deadline.
func (r *runner) run(ctx context.Context, s scenario) []Result {
	r.progress.phase(s.name, "starts")
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.deadline, fmt.Errorf("not finished after %v", r.opts.deadline))
	defer cancel()
	if s.own {
		return s.runs(ctx, r)
	}
	res := Result{}
	err := r.enoughDescriptors(s.clients(&r.opts))
	if err == nil {
		err = calm(ctx, r.procs, 10*time.Second)
	}
	if err == nil {
		err = s.run(ctx, r, &res)
	}
	res.Scenario = s.name
	if res.Unit == "" {
		res.Unit = s.unit
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		res.Error = err.Error()
	}
	r.progress.phase(s.name, "done")
	return []Result{res}
}

// enoughDescriptors checks that n clients can be held open.
func (r *runner) enoughDescriptors(n int) error {
	limit, err := descriptorLimit()
	if err != nil {
		return err
	}
	if n+32 > limit {
		return fmt.Errorf("%d connections need more than the %d open files this process may have (ulimit -n)", n, limit)
	}
	return nil
}
