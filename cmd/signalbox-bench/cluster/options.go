package cluster

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The parts of "signalbox-bench cluster".
const (
	partCross   = "cross"   // from server to server
	partRoom    = "room"    // a room over two servers
	partLocal   = "local"   // what REDIS_URL costs those who need nobody else
	partGrowth  = "growth"  // more servers
	partStorage = "storage" // what is kept in Redis
	partPubSub  = "pubsub"  // Redis by itself
)

// parts lists them in the order they run.
var parts = []string{partCross, partRoom, partLocal, partGrowth, partStorage, partPubSub}

// options are the settings of "signalbox-bench cluster", from its flags.
type options struct {
	parts     []string
	runs      int
	length    time.Duration // of what is sent at a steady rate
	growth    []int         // how many servers
	out       string
	peers     string
	signalbox string
	node      string // "": none
	redis     string
	cold      bool
	json      bool
	args      []string // as given, for the report
}

// parseOptions reads the flags. Help goes to stderr.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	var names, growth string
	fs := flag.NewFlagSet("signalbox-bench cluster", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: signalbox-bench cluster [flags]\n\nStarts a redis-server and clusters of signalbox and of Node's socket.io with its Redis\n"+
			"adapter on loopback, all of them on one processor and the load on another, and writes\nthe section on clusters of the report. Needs redis-server, Node and npm; about five\nminutes on an idle machine.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&names, "scenario", strings.Join(parts, ","), "comma list of parts to run")
	fs.IntVar(&o.runs, "runs", 3, "runs of cross, room and local; the report has medians")
	fs.DurationVar(&o.length, "time", 1500*time.Millisecond, "how long is sent where it is at a steady rate")
	fs.StringVar(&growth, "servers", "2,3,4,6", "growth: comma list of numbers of servers")
	fs.StringVar(&o.out, "out", "docs/benchmarks.md", "report to write the section into; - prints the section instead")
	fs.StringVar(&o.peers, "peers", "cmd/signalbox-bench/peers", "folder of the peers")
	fs.StringVar(&o.signalbox, "signalbox", "", "signalbox binary to measure; empty: the one beside this program")
	fs.StringVar(&o.node, "node", "node", "Node binary; empty: signalbox alone is measured")
	fs.StringVar(&o.redis, "redis-server", "redis-server", "redis-server binary")
	fs.BoolVar(&o.cold, "cold", false, "do not warm servers up")
	fs.BoolVar(&o.json, "json", false, "also print every result as JSON on standard output")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	var errs []error
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(parts, name) {
			errs = append(errs, fmt.Errorf("--scenario %s: choose from %s", name, strings.Join(parts, ", ")))
		}
		o.parts = append(o.parts, name)
	}
	if o.runs < 1 || o.runs > 100 {
		errs = append(errs, fmt.Errorf("--runs %d: write a number from 1 to 100", o.runs))
	}
	if o.length <= 0 || o.length > time.Minute {
		errs = append(errs, fmt.Errorf("--time %v: write a duration such as 2s, at most 1m", o.length))
	}
	var err error
	if o.growth, err = parseGrowth(growth); err != nil {
		errs = append(errs, err)
	}
	return o, errors.Join(errs...)
}

// parseGrowth reads a comma list of numbers of servers, in rising order.
func parseGrowth(list string) ([]int, error) {
	const most = 16
	var sizes []int
	for text := range strings.SplitSeq(list, ",") {
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(text), "%d", &n); err != nil || n < 2 || n > most {
			return nil, fmt.Errorf("--servers %s: write numbers from 2 to %d, separated by commas", list, most)
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
}

// has reports whether a part was asked for.
func (o *options) has(part string) bool { return slices.Contains(o.parts, part) }
