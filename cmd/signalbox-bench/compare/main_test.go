package compare

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"signalbox/cmd/signalbox-bench/bare"
	"signalbox/cmd/signalbox-bench/load"
)

// TestMain lets the test binary stand in for signalbox-bench where the package starts the bare server and the load.
func TestMain(m *testing.M) {
	word := ""
	if len(os.Args) > 1 {
		word = os.Args[1]
	}
	if word != "bare" && word != "--json" {
		goleak.VerifyTestMain(m)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if word == "bare" {
		err = bare.Run(ctx, os.Args[2:], io.Discard)
	} else {
		err = load.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
