package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
)

// ErrNotClean is returned with --strict when a scenario failed or a message got lost, doubled or reordered.
var ErrNotClean = errors.New("not everything arrived once and in order")

// Run puts load on one server.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := ParseOptions(args, stderr)
	if err != nil {
		return err
	}
	r, err := NewRunner(o, stderr)
	if err != nil {
		return err
	}
	defer r.Progress.Close()
	var results []measure.Result
	clean := true
	for _, s := range o.scenarios {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, res := range r.run(ctx, s) {
			clean = clean && res.OK()
			results = append(results, res)
		}
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(results)
	} else {
		err = report.WriteResults(stdout, results)
	}
	if err == nil && o.strict && !clean {
		err = ErrNotClean
	}
	return err
}

// Runner runs scenarios against one server.
type Runner struct {
	Opts     options
	Target   client.Target   // of the first server
	targets  []client.Target // of all servers; clients are spread over them
	clock    client.Clock
	proc     *machine.Process // of the first server; nil without --pid
	procs    measure.Processes
	Progress *progress
	stderr   io.Writer
}

// NewRunner prepares a run.
func NewRunner(o options, stderr io.Writer) (*Runner, error) {
	r := &Runner{Opts: o, clock: client.StartClock(), stderr: stderr}
	for _, url := range o.urls {
		t, err := client.NewTarget(url, o.path)
		if err != nil {
			return nil, err
		}
		r.targets = append(r.targets, t)
	}
	r.Target = r.targets[0]
	for _, pid := range o.pids {
		p, err := machine.OpenProcess(pid)
		if err != nil {
			return nil, err
		}
		r.procs.All = append(r.procs.All, p)
	}
	if len(r.procs.All) > 0 {
		r.proc, r.procs.Servers = r.procs.All[0], min(len(r.targets), len(r.procs.All))
	}
	r.Progress = newProgress(stderr)
	return r, nil
}

// run runs one scenario within its deadline.
func (r *Runner) run(ctx context.Context, s Scenario) []measure.Result {
	r.Progress.Phase(s.Name, "starts")
	ctx, cancel := context.WithTimeoutCause(ctx, r.Opts.deadline, fmt.Errorf("not finished after %v", r.Opts.deadline))
	defer cancel()
	if s.Own {
		return s.runs(ctx, r)
	}
	res := measure.Result{}
	err := r.enoughDescriptors(s.clients(&r.Opts))
	if err == nil {
		err = measure.Calm(ctx, r.procs, 10*time.Second)
	}
	if err == nil {
		err = s.run(ctx, r, &res)
	}
	res.Scenario = s.Name
	if res.Unit == "" {
		res.Unit = s.Unit
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		res.Error = err.Error()
	}
	r.Progress.Phase(s.Name, "done")
	return []measure.Result{res}
}

// enoughDescriptors checks that n clients can be held open.
func (r *Runner) enoughDescriptors(n int) error {
	limit, err := machine.DescriptorLimit()
	if err != nil {
		return err
	}
	if n+32 > limit {
		return fmt.Errorf("%d connections need more than the %d open files this process may have (ulimit -n)", n, limit)
	}
	return nil
}
