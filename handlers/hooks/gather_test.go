package hooks

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/router"
)

// transport is a network with one backend.
type transport func(body io.Reader) string

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(t(r.Body)))}, nil
}

// TestEventsGather: while all requests are out, what comes then shares the next ones; no request has two of one socket.
func TestEventsGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sockets, each, concurrency = 20, 5, 2
		release := make(chan struct{})
		h := New(Options{URL: "http://backend", Concurrency: concurrency, OutsideOptions: router.OutsideOptions{Log: quiet}})
		h.client.http.Transport = transport(func(body io.Reader) string {
			<-release
			var told struct{ Events []struct{ Socket int } }
			if err := json.NewDecoder(body).Decode(&told); err != nil {
				t.Error(err)
			}
			seen, results := make(map[int]bool), []string(nil)
			for _, e := range told.Events {
				if seen[e.Socket] {
					t.Errorf("two events of %d in one request", e.Socket)
				}
				seen[e.Socket] = true
				results = append(results, fmt.Sprint(e.Socket))
			}
			return `{"results":[` + strings.Join(results, ",") + `]}`
		})
		var done sync.WaitGroup
		for socket := range sockets {
			done.Go(func() {
				for range each {
					q := &router.Question{Body: fmt.Appendf(nil, `{"socket":%d}`, socket), Deadline: time.Now().Add(patience)}
					if got, err := h.Ask(t.Context(), q); err != nil || string(got) != fmt.Sprint(socket) {
						t.Errorf("the answer to %d is %s, %v", socket, got, err)
					}
				}
			})
		}
		synctest.Wait()
		if s := h.Stats(); s.Out != concurrency || s.Waiting != sockets-concurrency {
			t.Errorf("%d requests out and %d events waiting, want %d and the rest", s.Out, s.Waiting, concurrency)
		}
		close(release)
		done.Wait()
		if s := h.Stats(); s.Events != sockets*each || s.Requests >= sockets*each {
			t.Errorf("%d events in %d requests, want %d in fewer", s.Events, s.Requests, sockets*each)
		}
		h.Close(t.Context())
	})
}
