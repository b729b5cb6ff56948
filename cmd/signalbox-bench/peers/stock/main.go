// Command stock is the broker and the chat of signalbox on github.com/zishang520/socket.io/v2 as it comes, with its
// own engine, codec and adapter. "signalbox-bench compare" holds signalbox against it. Not for production: the
// library loses and reorders messages, and some inputs end the process (docs/benchmarks.md counts them).
//
// Environment: PORT (default 3000), HOST (default 127.0.0.1).
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "stock peer:", err)
		os.Exit(1)
	}
}

// run serves until SIGINT or SIGTERM.
func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	io := socket.NewServer(nil, nil)
	a := &app{io: io}
	if err := io.On("connection", func(args ...any) {
		if s, ok := args[0].(*socket.Socket); ok {
			a.connect(s)
		}
	}); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io.ServeHandler(nil))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "Real-Time Signal Broker")
	})
	ln, err := net.Listen("tcp", net.JoinHostPort(env("HOST", "127.0.0.1"), env("PORT", "3000")))
	if err != nil {
		return err
	}
	fmt.Printf("stock peer: socket.io/v2 on http://%s\n", ln.Addr())

	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// env returns an environment variable or the default.
func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
