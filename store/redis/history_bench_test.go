//go:build unix

package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
)

// historyCPU reports what one operation costs: this process, and Redis.
func historyCPU(b *testing.B, c *goredis.Client) (stop func(operations int)) {
	own, redis := ownCPU(b), redisCPU(b, c)
	return func(operations int) {
		b.ReportMetric((ownCPU(b)-own)*1e6/float64(operations), "own-us/op")
		b.ReportMetric((redisCPU(b, c)-redis)*1e6/float64(operations), "redis-us/op")
	}
}

func ownCPU(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func redisCPU(b *testing.B, c *goredis.Client) (seconds float64) {
	info, err := c.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		for _, name := range []string{"used_cpu_user:", "used_cpu_sys:"} {
			if text, ok := strings.CutPrefix(line, name); ok {
				n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
				if err != nil {
					b.Fatal(err)
				}
				seconds += n
			}
		}
	}
	return seconds
}

func benchHistory(b *testing.B) (*History, *goredis.Client) {
	redistest.NeedReal(b)
	server := redistest.Start(b)
	return openHistory(b, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions), historyClient(b, server)
}

var benchMessage = store.Message{ID: "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11", JSON: strings.Repeat("x", 280), Time: time.UnixMilli(1_772_000_000_000)}

func BenchmarkHistoryAppend(b *testing.B) {
	for _, rooms := range []int{1, 50, 2000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			h, c := benchHistory(b)
			names := make([]string, rooms)
			for i := range names {
				names[i] = fmt.Sprint("room-", i)
			}
			append1 := func(i int) {
				if i%1000 == 0 { // a pace that Redis keeps up with
					written(b, h)
				}
				if err := h.Append(names[i%rooms], benchMessage); err != nil {
					b.Fatal(err)
				}
			}
			for i := range 3000 { // rooms that are full, where there are few
				append1(i)
			}
			written(b, h)
			stop := historyCPU(b, c)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				append1(i)
				i++
			}
			written(b, h)
			stop(i)
		})
	}
}

func BenchmarkHistoryRead(b *testing.B) {
	h, c := benchHistory(b)
	for i := range 1000 {
		m := benchMessage
		m.ID = fmt.Sprintf("6f1c9c5e-8d0e-4b6e-9d53-%012d", i)
		if err := h.Append("r", m); err != nil {
			b.Fatal(err)
		}
	}
	written(b, h)
	for name, read := range map[string]func() ([]store.Message, error){
		"last=50":  func() ([]store.Message, error) { return h.Last(b.Context(), "r", 50) },
		"last=200": func() ([]store.Message, error) { return h.Last(b.Context(), "r", 200) },
		"before=50,newest": func() ([]store.Message, error) {
			return h.Before(b.Context(), "r", store.Cursor{ID: "6f1c9c5e-8d0e-4b6e-9d53-000000000950"}, 50)
		},
		"before=50,oldest": func() ([]store.Message, error) {
			return h.Before(b.Context(), "r", store.Cursor{ID: "6f1c9c5e-8d0e-4b6e-9d53-000000000050"}, 50)
		},
		"before=50,time": func() ([]store.Message, error) {
			return h.Before(b.Context(), "r", store.Cursor{ID: "unknown", Time: benchMessage.Time.Add(time.Hour)}, 50)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			stop := historyCPU(b, c)
			n := 0
			for b.Loop() {
				if _, err := read(); err != nil {
					b.Fatal(err)
				}
				n++
			}
			stop(n)
		})
	}
}
