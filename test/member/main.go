// Command member is a program in Go that joins a cluster of Node servers with the library, as such programs do: it serves
// the namespace /lib and does there what a test asks it for. See calls.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"signalbox/server/cluster"
	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/server/socketio/library"
	"signalbox/store/redislink"
)

const namespace = "/lib"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "member:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	redis, err := redislink.Open(redislink.Options{URL: os.Getenv("REDIS_URL"), Log: log})
	if err != nil {
		return err
	}
	defer redis.Close()
	h := hub.New()
	others := cluster.New(cluster.Options{
		Link: redis, Hub: h, Prefix: "socket.io", Sharded: os.Getenv("REDIS_MODE") == "sharded",
		Streams: os.Getenv("REDIS_MODE") == "streams", StreamMaxLen: 10_000, NodeID: cluster.NewNodeID(), Log: log,
	})
	app := socketio.New(socketio.Config{Hub: h, Cluster: others, Log: log})
	lib, err := library.New(app, log)
	if err != nil {
		return err
	}
	m := &member{lib: lib.Server().Of(namespace, nil)}
	if err := m.listen(); err != nil {
		return err
	}
	others.Start(app)
	defer others.Stop()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !redis.Up() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /call", m.serveCall)
	mux.Handle(socketio.Path, app)
	web := &http.Server{Addr: net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { // ends with ListenAndServe, which it makes return
		<-ctx.Done()
		_ = web.Close()
	}()
	if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	done, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return app.Shutdown(done)
}
