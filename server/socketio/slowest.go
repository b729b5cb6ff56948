package socketio

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxWatched bounds the events that are told apart: clients choose their names.
const maxWatched = 1000

// Handled is what the handler of one event did with it.
type Handled struct {
	Namespace string        `json:"namespace"`
	Event     string        `json:"event"`
	Count     int           `json:"count"`
	Total     time.Duration `json:"totalNanoseconds"`
	Longest   time.Duration `json:"longestNanoseconds"`
}

// handledWatch collects while somebody watches.
type handledWatch struct {
	mu     sync.Mutex
	events map[[2]string]*Handled
}

func (w *handledWatch) note(namespace, event string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.events[[2]string{namespace, event}]
	if h == nil {
		if len(w.events) >= maxWatched {
			return
		}
		event = strings.Clone(event)
		h = &Handled{Namespace: namespace, Event: event}
		w.events[[2]string{namespace, event}] = h
	}
	h.Count++
	h.Total += took
	h.Longest = max(h.Longest, took)
}

// Slowest watches for a while, and returns the n events with which handlers were busy the longest. Where somebody else begins
// to watch, it returns what came before.
func (s *Server) Slowest(ctx context.Context, watch time.Duration, n int) []Handled {
	w := &handledWatch{events: make(map[[2]string]*Handled)}
	s.handled.Store(w)
	select {
	case <-time.After(watch):
	case <-ctx.Done():
	}
	s.handled.CompareAndSwap(w, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Handled, 0, len(w.events))
	for _, h := range w.events {
		list = append(list, *h)
	}
	slices.SortFunc(list, func(a, b Handled) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Namespace+a.Event, b.Namespace+b.Event))
	})
	return list[:min(n, len(list))]
}
