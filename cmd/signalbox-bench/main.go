// Command signalbox-bench is a load generator for Socket.IO servers (Engine.IO protocol 4, Socket.IO protocol 5). It
// speaks the broker and the chat, so any server with those two apps can be measured, whoever wrote it.
//
// It counts what got lost, doubled or reordered by sequence numbers, measures latency from the moment a message was
// due, and, told the server's process id, the processor time and memory the server spent. "signalbox-bench compare"
// runs the same scenarios against signalbox, Node's socket.io and the stock library, each pinned to a processor of its
// own, and writes docs/benchmarks.md. What only signalbox has, its other doors, the API and the history, is measured
// against itself. "signalbox-bench cluster" does it for servers that share a Redis, which it starts, and
// "signalbox-bench growth" measures how what one server spends grows with what it holds. "signalbox-bench cuts" measures what
// arrives while connections break and servers are started again.
//
// "signalbox-bench soak" measures nothing: it checks what servers promise while connections are cut and servers end.
//
// The program knows nothing of the server's packages, on purpose: a mistake there must not be repeated here.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"signalbox/cmd/signalbox-bench/bare"
	"signalbox/cmd/signalbox-bench/cluster"
	"signalbox/cmd/signalbox-bench/compare"
	"signalbox/cmd/signalbox-bench/cuts"
	"signalbox/cmd/signalbox-bench/growth"
	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/soak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "signalbox-bench:", err)
		os.Exit(1)
	}
}

// run carries out a command line. Results go to stdout, progress, help and warnings to stderr. An error is a wrong flag,
// a server that cannot be measured, or [load.ErrNotClean]; a scenario that fails is a line of the result. Ending ctx
// ends the run within a moment.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var err error
	switch command, rest := first(args); command {
	case "compare":
		err = compare.Run(ctx, rest, stdout, stderr)
	case "cluster":
		err = cluster.Run(ctx, rest, stdout, stderr)
	case "growth":
		err = growth.Run(ctx, rest, stdout, stderr)
	case "cuts":
		err = cuts.Run(ctx, rest, stdout, stderr)
	case "soak":
		err = soak.Run(ctx, rest, stdout, stderr)
	case "bare":
		err = bare.Run(ctx, rest, stderr)
	default:
		err = load.Run(ctx, args, stdout, stderr)
	}
	if errors.Is(err, flag.ErrHelp) {
		return nil // the help is printed
	}
	return err
}

// first splits the word that may name a command from what is behind it.
func first(args []string) (command string, rest []string) {
	if len(args) == 0 {
		return "", nil
	}
	return args[0], args[1:]
}
