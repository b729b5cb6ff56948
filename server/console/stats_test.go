package console

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func newRequest(method, path string) *http.Request { return httptest.NewRequest(method, path, nil) }

func TestReadingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		r := reading{read: func() Stats { return Stats{EventsIn: uint64(reads.Add(1))} }}
		start := time.Now()
		for range 10 {
			if got := r.now(); got.EventsIn != 1 || got.TimeMillis != start.UnixMilli() {
				t.Fatalf("reading %+v, want the first one of %d", got, start.UnixMilli())
			}
		}
		time.Sleep(statsAge)
		if got := r.now(); got.EventsIn != 2 || got.TimeMillis != time.Now().UnixMilli() {
			t.Errorf("after %v: %+v, want a new one", statsAge, got)
		}
	})
}
