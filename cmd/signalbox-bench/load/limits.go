package load

import (
	"context"
	"os"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

// runLimits runs steady, pairs, ack and echo against the bare server, in a process of its own.
func runLimits(ctx context.Context, r *Runner) []measure.Result {
	fail := func(err error) []measure.Result { return []measure.Result{{Scenario: "limits", Error: err.Error()}} }
	spec, err := bareSpec()
	if err != nil {
		return fail(err)
	}
	cpu := -1
	if list := machine.Processors(); len(list) > 1 {
		cpu = list[0]
	}
	srv, err := rig.Start(ctx, spec, cpu, r.stderr)
	if err != nil {
		return fail(err)
	}
	defer srv.Stop(5 * time.Second)
	own := *r
	if own.Target, err = client.NewTarget(srv.URL, "/socket.io/"); err != nil {
		return fail(err)
	}
	own.targets, own.proc = []client.Target{own.Target}, nil
	if own.procs = measure.Watched(srv.PID()); len(own.procs.All) > 0 { // not on Linux: rates and latency only
		own.proc = own.procs.All[0]
	}
	chosen, err := SelectScenarios("steady,pairs,ack,echo")
	if err != nil {
		return fail(err)
	}
	var results []measure.Result
	for _, s := range chosen {
		for _, res := range own.run(ctx, s) {
			res.Scenario = "limits/" + s.Name
			results = append(results, res)
		}
	}
	return results
}

// bareSpec tells how to start the bare server: this program itself.
func bareSpec() (rig.Spec, error) {
	self, err := os.Executable()
	if err != nil {
		return rig.Spec{}, err
	}
	return rig.Spec{Name: "bare", Command: []string{self, "bare"}}, nil
}
