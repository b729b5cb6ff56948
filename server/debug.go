package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"time"

	"signalbox/config"
	"signalbox/server/conn"
)

// debugServer answers on an address of its own, so that a public port never shows it: Go's profiles under /debug/pprof/,
// and live counts as JSON at /debug/counts.
type debugServer struct {
	listener net.Listener
	http     *http.Server
	served   chan struct{}
	counts   []func(add func(name string, n int64))
	// busiest returns the clients that cost the most, who are watched for so long; nil: nobody can know.
	busiest func(ctx context.Context, watch time.Duration, n int) []conn.Load
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
	mux.HandleFunc("GET /debug/counts", d.sendCounts)
	mux.HandleFunc("GET /debug/clients", d.sendClients)
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

// count adds figures to /debug/counts. It must be used before start.
func (d *debugServer) count(f func(add func(name string, n int64))) { d.counts = append(d.counts, f) }

// sendClients answers the clients that cost the most: ?n= of them, watched ?for= so long.
func (d *debugServer) sendClients(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("n"), "20"))
	watch, watchErr := time.ParseDuration(cmp.Or(r.URL.Query().Get("for"), "1s"))
	if err != nil || watchErr != nil || n < 1 || n > 1000 || watch < 0 || watch > maxWatch || d.busiest == nil {
		http.Error(w, "write n=1 to 1000 and for=0s to 1m", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(append([]conn.Load{}, d.busiest(r.Context(), watch, n)...)) // fails only where the reader has gone
}

// maxWatch bounds how long clients are watched for one answer.
const maxWatch = time.Minute

// sendCounts answers goroutines, heap and whatever was added. A ?gc=1 collects garbage first, for leak checks.
func (d *debugServer) sendCounts(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("gc") == "1" {
		runtime.GC()
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	counts := map[string]int64{
		"goroutines": int64(runtime.NumGoroutine()),
		"heapBytes":  int64(mem.HeapAlloc),
		"stackBytes": int64(mem.StackInuse),
		"objects":    int64(mem.HeapObjects),
	}
	for _, f := range d.counts {
		f(func(name string, n int64) { counts[name] = n })
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(counts) // fails only where the reader has gone
}
