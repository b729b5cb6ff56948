package server

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"runtime"
	"strconv"
	"time"

	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// inside tells as JSON what a server has and who costs what: counts, clients and handlers, below whatever path. Who may ask
// is decided before it.
type inside struct {
	door *socketio.Server
	hub  *hub.Hub
}

// maxWatch bounds how long clients are watched for one answer.
const maxWatch = time.Minute

// ServeHTTP answers ?n= clients or handlers that cost the most, which are watched ?for= so long, or counts.
func (i *inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("n"), "20"))
	watch, watchErr := time.ParseDuration(cmp.Or(r.URL.Query().Get("for"), "1s"))
	if err != nil || watchErr != nil || n < 1 || n > 1000 || watch < 0 || watch > maxWatch {
		http.Error(w, "write n=1 to 1000 and for=0s to 1m", http.StatusBadRequest)
		return
	}
	switch path.Base(r.URL.Path) {
	case "counts":
		i.counts(w, r)
	case "clients":
		answer(w, i.door.Conns().Busiest, r, watch, n)
	case "handlers":
		answer(w, i.door.Slowest, r, watch, n)
	default:
		http.NotFound(w, r)
	}
}

func answer[T any](w http.ResponseWriter, list func(context.Context, time.Duration, int) []T, r *http.Request, watch time.Duration, n int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(append([]T{}, list(r.Context(), watch, n)...)) // fails only where the reader has gone
}

// counts answers goroutines, heap and what the server holds. A ?gc=1 collects garbage first, for leak checks.
func (i *inside) counts(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("gc") == "1" {
		runtime.GC()
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	e, rooms := i.door.Engine().Stats(), 0
	for _, n := range i.hub.Counts() {
		rooms += n
	}
	counts := map[string]int64{
		"goroutines":  int64(runtime.NumGoroutine()),
		"heapBytes":   int64(mem.HeapAlloc),
		"stackBytes":  int64(mem.StackInuse),
		"objects":     int64(mem.HeapObjects),
		"clients":     e.PollingSessions + e.WebSocketSessions,
		"websockets":  e.WebSockets,
		"streams":     e.Streams,
		"outboxBytes": e.OutboxBytes,
		"sockets":     i.door.Stats().Sockets,
		"rooms":       int64(rooms),
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(counts) // fails only where the reader has gone
}
