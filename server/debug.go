package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"signalbox/config"
)

// debugServer answers on an address of its own, so that a public port never shows it: Go's profiles under /debug/pprof/,
// and what [inside] tells.
type debugServer struct {
	listener net.Listener
	http     *http.Server
	served   chan struct{}
	inside   http.Handler // set before start
}

func newDebugServer(addr string, log *slog.Logger) (*debugServer, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("DEBUG_ADDR: %w", err)
	}
	d := &debugServer{listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/", func(w http.ResponseWriter, r *http.Request) { d.inside.ServeHTTP(w, r) })
	d.http = &http.Server{
		Handler:           ownHost(addr, mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return d, nil
}

// ownHost serves requests whose Host is a loopback one, and where other machines can reach addr an address too. A page that
// a browser on this machine has loaded has another Host, even where its name points here (DNS rebinding).
func ownHost(addr string, next http.Handler) http.Handler {
	local := config.LoopbackHost(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if config.LoopbackHost(r.Host) || !local && config.AddressHost(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "ask by localhost or by address: "+addr, http.StatusForbidden)
	})
}

// start serves until close.
func (d *debugServer) start() {
	d.served = make(chan struct{})
	go func() { // awaited by close
		defer close(d.served)
		_ = d.http.Serve(d.listener) // it ends by close only; the listener's own faults are in ErrorLog
	}()
}

// close ends the listener and every request at once.
func (d *debugServer) close() {
	_ = d.http.Close()
	_ = d.listener.Close()
	if d.served != nil {
		<-d.served
	}
}
