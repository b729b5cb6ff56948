package bare

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
)

// Run carries out "signalbox-bench bare": the server of the scenario limits, by itself.
func Run(ctx context.Context, args []string, stderr io.Writer) error {
	fs := flag.NewFlagSet("signalbox-bench bare", flag.ContinueOnError)
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
	return Serve(ctx, *port, func(addr string) {
		fmt.Fprintf(stderr, "bare server for signalbox-bench on http://%s: good for nothing else\n", addr)
	})
}
