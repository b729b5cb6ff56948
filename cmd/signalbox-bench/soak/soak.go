package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/rig"
)

// ErrWrong is returned for a run that found something.
var ErrWrong = errors.New("promises were not kept")

// options are the settings of "signalbox-bench soak", from its flags.
type options struct {
	seed      uint64
	length    time.Duration
	round     time.Duration
	nodes     int
	signalbox string
	redis     string // "": none
	env       []string
	patience  time.Duration // a server that died is missed within 10 seconds, so lists may be wrong for longer
	recovery  bool
	plant     string
	plan      bool
	verbose   bool
	args      []string // as given
}

// parseOptions reads the flags. Help goes to stderr.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	var minutes float64
	var env string
	fs := flag.NewFlagSet("signalbox-bench soak", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: signalbox-bench soak [flags]\n\n"+
			"Starts signalbox servers and a redis-server on loopback, has clients talk at every door while connections\n"+
			"are cut, servers end and Redis is away, and checks that every promise was kept. The same seed makes the same\n"+
			"schedule.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.Uint64Var(&o.seed, "seed", 1, "what the schedule is made of")
	fs.Float64Var(&minutes, "minutes", 1, "how long faults are made; behind each round lists get time to be right")
	fs.DurationVar(&o.round, "round", 20*time.Second, "faults are made for so long before everything is looked at")
	fs.IntVar(&o.nodes, "nodes", 3, "servers, 1 to 9; without Redis one")
	fs.StringVar(&o.signalbox, "signalbox", "", "signalbox binary; empty: the one beside this program")
	fs.StringVar(&o.redis, "redis-server", "redis-server", "redis-server binary; empty: one server without Redis")
	fs.StringVar(&env, "env", "", "more settings of the servers: NAME=value, separated by commas")
	fs.DurationVar(&o.patience, "patience", 25*time.Second, "how long lists may be wrong, and something be left")
	fs.BoolVar(&o.recovery, "recovery", false, "with RECOVERY: who is cut comes back and has missed nothing")
	fs.StringVar(&o.plant, "plant", "", "make a fault, to see that it is found: "+strings.Join(plants, ", "))
	fs.BoolVar(&o.plan, "plan", false, "print the schedule of the first round and end")
	fs.BoolVar(&o.verbose, "v", false, "tell each fault when it is made")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if env != "" {
		o.env = strings.Split(env, ",")
	}
	if o.redis != "" {
		if _, err := exec.LookPath(o.redis); err != nil {
			fmt.Fprintf(stderr, "soak: %v: one server without Redis\n", err)
			o.redis = ""
		}
	}
	if o.redis == "" {
		o.nodes = 1
	}
	o.length = time.Duration(minutes * float64(time.Minute))
	var errs []error
	if o.length < time.Second || o.length > 24*time.Hour {
		errs = append(errs, fmt.Errorf("--minutes %v: write a number up to 1440", minutes))
	}
	if o.round < time.Second || o.patience < time.Second {
		errs = append(errs, fmt.Errorf("--round %v, --patience %v: write 1s or more", o.round, o.patience))
	}
	if o.nodes < 1 || o.nodes > 9 {
		errs = append(errs, fmt.Errorf("--nodes %d: write a number from 1 to 9", o.nodes))
	}
	return o, errors.Join(errs...)
}

// Run carries out "signalbox-bench soak". The error is [ErrWrong] where a promise was not kept.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	p, err := newPlant(o.plant)
	if err != nil {
		return err
	}
	if o.plan {
		for _, s := range planRound(o.seed, 1, clients(), o.nodes, o.redis != "", o.round) {
			fmt.Fprintln(stdout, s)
		}
		return nil
	}
	r, err := rig.New(stderr)
	if err != nil {
		return err
	}
	defer r.Close()
	if o.signalbox, err = r.Signalbox(o.signalbox); err != nil {
		return err
	}
	w := &world{options: o, plant: p, clock: client.StartClock(), log: stderr, stops: make(map[int]bool)}
	if w.town, err = newTown(ctx, o, r.Work); err != nil {
		return err
	}
	defer w.town.close()
	if err := w.populate(); err != nil {
		return err
	}
	w.run(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.report(stdout)
}

// clients is how many there are.
func clients() (n int) {
	for _, c := range crowd {
		n += c.clients
	}
	return n
}

// report prints what was found.
func (w *world) report(out io.Writer) error {
	fmt.Fprintf(out, "seed %d: %d rounds on %d servers: %d messages delivered %d times, %d answers partial, %d refused, "+
		"%d clients came back as they were, %d of them at another server\n",
		w.options.seed, w.round, len(w.town.nodes), w.messages, w.deliveries, w.partial, w.refused, w.recovered.Load(), w.moved.Load())
	if w.wrong == 0 {
		return nil
	}
	again := strings.Join(w.options.args, " ")
	if !strings.Contains(again, "-seed") {
		again += fmt.Sprintf(" --seed %d", w.options.seed)
	}
	fmt.Fprintf(out, "%d promises not kept at seed %d; to repeat it: signalbox-bench soak %s\n",
		w.wrong, w.options.seed, again)
	for _, e := range w.evidence {
		fmt.Fprintln(out, "-", e)
	}
	return ErrWrong
}
