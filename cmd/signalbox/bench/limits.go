package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// runBare carries out "signalbox bench bare": the server of the scenario limits, by itself.
func runBare(ctx context.Context, args []string, stderr io.Writer) error {
	fs := flag.NewFlagSet("signalbox bench bare", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fallback, err := strconv.Atoi(os.Getenv("PORT"))
	if err != nil {
		fallback = 3000
	}
	port := fs.Int("port", fallback, "port on 127.0.0.1; the default comes from PORT")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *port < 0 || *port > 65535 {
		return fmt.Errorf("--port %d: write a number from 0 to 65535", *port)
	}
	return serveBare(ctx, *port, func(addr string) {
		fmt.Fprintf(stderr, "bare server for signalbox bench on http://%s: good for nothing else\n", addr)
	})
}

// runLimits runs steady, pairs, ack and echo against the bare server, in a process of its own.
func runLimits(ctx context.Context, r *runner) []Result {
	fail := func(err error) []Result { return []Result{{Scenario: "limits", Error: err.Error()}} }
	spec, err := bareSpec()
	if err != nil {
		return fail(err)
	}
	cpu := -1
	if list := processors(); len(list) > 1 {
		cpu = list[0]
	}
	srv, err := startServer(ctx, spec, cpu, r.stderr)
	if err != nil {
		return fail(err)
	}
	defer srv.stop(5 * time.Second)
	own := *r
	if own.target, err = newTarget(srv.url, "/socket.io/"); err != nil {
		return fail(err)
	}
	own.targets, own.proc = []target{own.target}, nil
	if own.procs = watched(srv.pid()); len(own.procs.all) > 0 { // not on Linux: rates and latency only
		own.proc = own.procs.all[0]
	}
	chosen, err := selectScenarios("steady,pairs,ack,echo")
	if err != nil {
		return fail(err)
	}
	var results []Result
	for _, s := range chosen {
		for _, res := range own.run(ctx, s) {
			res.Scenario = "limits/" + s.name
			results = append(results, res)
		}
	}
	return results
}

// bareSpec tells how to start the bare server: this program itself.
func bareSpec() (serverSpec, error) {
	self, err := os.Executable()
	if err != nil {
		return serverSpec{}, err
	}
	return serverSpec{name: "bare", command: []string{self, "bench", "bare"}}, nil
}
