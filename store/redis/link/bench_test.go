package link

import (
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
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// window is how many messages are under way at a time: as many as fill a few batches, and no more than a node has that is not behind.
const window = 1024

// BenchmarkPublish is what a message costs its sender: cpu-ns/op is that of the whole process, call-ns/op is what Publish takes of it.
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

// BenchmarkPublishAlone is a message that no other goes along with, and that is waited for: the most one can cost.
func BenchmarkPublishAlone(b *testing.B) {
	s := redistest.Start(b)
	l, states := open(b, Options{URL: s.URL()})
	sub := make(chan struct{}, 1)
	await(b, "the connection", states)
	payload := make([]byte, 300)
	b.ReportAllocs()
	before := cpu(b)
	n := 0
	for b.Loop() {
		n++
		l.Enqueue(Command{Args: []any{"publish", "socket.io#/#room#", payload}, Done: func(any, error) { sub <- struct{}{} }})
		<-sub
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/op")
}

// BenchmarkReceive is what a message costs its receiver. Another process would publish them; here it is go-redis in this one, with
// batches whose cost is that of BenchmarkPublish at most.
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
