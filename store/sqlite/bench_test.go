//go:build unix

package sqlite

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"signalbox/store"
)

// benchMessage is what a chat message of 100 characters becomes.
func benchMessage() store.Message {
	const head, id = `{"id":"`, "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11"
	json := head + id + `","roomId":"room","userId":"42","userName":"somebody","content":"` +
		strings.Repeat("x", 100) + `","timestamp":"2026-03-01T12:00:00.123Z"}`
	return store.Message{ID: json[len(head):][:len(id)], JSON: json, Time: time.UnixMilli(1772366400123)}
}

// BenchmarkHistory appends a quarter of a second's messages and writes them, as a server under a steady load does.
// append-ns/msg is what the sender waits, cpu-ns/msg what the whole process spends, writing and pruning included.
func BenchmarkHistory(b *testing.B) {
	for _, rate := range []int{100, 1000, 10_000} { // messages a second
		for _, rooms := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("rate=%d/rooms=%d", rate, rooms), func(b *testing.B) {
				h := openHistory(b, Options{FlushInterval: time.Hour})
				names := make([]string, rooms)
				for i := range names {
					names[i] = fmt.Sprint("room ", i)
				}
				m := benchMessage()
				n := 0
				step := func() (appending time.Duration) {
					began := time.Now()
					for range rate / 4 {
						if err := h.Append(names[n*7919%rooms], m); err != nil {
							b.Fatal(err)
						}
						n++
					}
					appending = time.Since(began)
					flushAll(b, h)
					return appending
				}
				for range 120 { // the rooms are new
					step()
				}
				b.ReportAllocs()
				var appending time.Duration
				spent := -cpuTime(b)
				messages := -n
				for b.Loop() {
					appending += step()
				}
				spent += cpuTime(b)
				messages += n
				b.ReportMetric(float64(appending.Nanoseconds())/float64(messages), "append-ns/msg")
				b.ReportMetric(float64(spent.Nanoseconds())/float64(messages), "cpu-ns/msg")
			})
		}
	}
}

// BenchmarkLast50 reads what a client gets that joins a room.
func BenchmarkLast50(b *testing.B) {
	for name, written := range map[string]bool{"waiting": false, "disk": true} {
		b.Run(name, func(b *testing.B) {
			h := openHistory(b, Options{FlushInterval: time.Hour})
			m := benchMessage()
			for range 1000 {
				if err := h.Append("r", m); err != nil {
					b.Fatal(err)
				}
			}
			if written {
				flushAll(b, h)
			}
			b.ReportAllocs()
			for b.Loop() {
				if got, err := h.Last(b.Context(), "r", 50); err != nil || len(got) != 50 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}

// cpuTime returns the processor time the process has spent so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
