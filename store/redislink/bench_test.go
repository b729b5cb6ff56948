//go:build linux

package redislink

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"signalbox/store/redis/redistest"
)

// cpu returns what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	return usage(b, syscall.RUSAGE_SELF)
}

// cpuOfThread returns what this thread has used.
func cpuOfThread(b *testing.B) time.Duration {
	b.Helper()
	return usage(b, 1) // RUSAGE_THREAD
}

func usage(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// window is how many messages are under way at a time: as many as fill a few batches, and no more than a node has that is
// not behind.
const window = 1024

// BenchmarkPublish is what a message costs its sender: cpu-ns/op is that of the whole process, call-ns/op is what Publish
// takes of it.
func BenchmarkPublish(b *testing.B) {
	for _, bytes := range []int{100, 1000} {
		b.Run("bytes="+strconv.Itoa(bytes), func(b *testing.B) {
			s := redistest.Start(b)
			l, states := open(b, Options{URL: s.URL()})
			await(b, "the connection", states)
			payload := make([]byte, bytes)
			done := make(chan struct{}, 1)
			calls, n := time.Duration(0), 0
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if n++; n%window > 0 {
					continue
				}
				began := time.Now()
				for range window {
					l.Publish("socket.io#/#room#", payload)
				}
				calls += time.Since(began)
				l.Enqueue(Command{Args: []any{"ping"}, Done: func(any, error) { done <- struct{}{} }})
				<-done
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/op")
			b.ReportMetric(float64(calls)/float64(n), "call-ns/op")
			if lost := l.Stats().Lost; lost > 0 {
				b.Errorf("%d messages are lost", lost)
			}
		})
	}
}

// BenchmarkAcross is what a message costs sender and receiver together, and how long it takes, where messages come one by
// one at a steady rate. The time this goroutine spends waiting for the next is left out.
func BenchmarkAcross(b *testing.B) {
	for _, rate := range []int{1000, 5000, 20000} {
		b.Run("rate="+strconv.Itoa(rate), func(b *testing.B) {
			s := redistest.Start(b)
			l, states := open(b, Options{URL: s.URL()})
			receiver, receiving := open(b, Options{URL: s.URL()})
			var got, late atomic.Int64
			began := time.Now()
			sub := receiver.Subscriber(func(m Message) {
				got.Add(1)
				late.Add(int64(time.Since(began)) - int64(binary.BigEndian.Uint64(m.Payload)))
			})
			await(b, "the connection", states)
			await(b, "the connection", receiving)
			subscribe1(b, sub, Pattern, "socket.io#/#*")
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			before, own, n := cpu(b), cpuOfThread(b), 0
			for start := time.Now(); b.Loop(); n++ {
				for time.Since(start) < time.Duration(n)*time.Second/time.Duration(rate) {
				}
				payload := binary.BigEndian.AppendUint64(make([]byte, 0, 300), uint64(time.Since(began)))
				l.Publish("socket.io#/#room#", payload[:300])
			}
			eventually(b, "all has arrived", func() bool { return got.Load() == int64(n) })
			b.ReportMetric(float64(cpu(b)-before-(cpuOfThread(b)-own))/float64(n), "cpu-ns/op")
			b.ReportMetric(float64(late.Load())/float64(n), "late-ns/op")
		})
	}
}

// BenchmarkReceive is what a message costs its receiver. The cost of BenchmarkPublish is in it.
func BenchmarkReceive(b *testing.B) {
	s := redistest.Start(b)
	l, states := open(b, Options{URL: s.URL()})
	var got atomic.Int64
	all := make(chan struct{}, 1)
	sub := l.Subscriber(func(Message) {
		if got.Add(1)%window == 0 {
			all <- struct{}{}
		}
	})
	await(b, "the connection", states)
	subscribe1(b, sub, Pattern, "socket.io#/#*")
	payload := make([]byte, 300)
	b.ReportAllocs()
	before, n := cpu(b), 0
	for b.Loop() {
		if n++; n%window > 0 {
			continue
		}
		for range window {
			l.Publish("socket.io#/#room#", payload)
		}
		<-all
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/op")
}
