//go:build unix

package socketio

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// recoveryModes are recovery off and on.
var recoveryModes = []struct {
	name string
	r    *Recovery
}{{"off", nil}, {"on", recovering()}}

// BenchmarkRecoveryRoom is the processor's time for a message to one client of a room, with recovery and without: in bursts, and one
// message at a time.
func BenchmarkRecoveryRoom(b *testing.B) {
	for _, kind := range []struct {
		name  string
		burst int
	}{{"burst", 64}, {"steady", 1}} {
		for _, mode := range recoveryModes {
			b.Run(fmt.Sprintf("%s/recovery=%s", kind.name, mode.name), func(b *testing.B) {
				benchmarkRoom(b, 500, 0, kind.burst, argument(100), mode.r)
			})
		}
	}
}

// BenchmarkRecoveryIdle is the memory of a client that does nothing, its end of the connection included.
func BenchmarkRecoveryIdle(b *testing.B) {
	const clients = 1000
	for _, mode := range recoveryModes {
		b.Run("recovery="+mode.name, func(b *testing.B) {
			_, url := newTestServer(b, map[string]app.Handler{"/chat": functions{}}, func(c *Config) { c.Recovery = mode.r })
			dialSink(b, url, false).Close()
			before := memoryInUse()
			for range clients {
				defer dialSink(b, url, false).Close()
			}
			time.Sleep(100 * time.Millisecond) // until the goroutines rest
			each := float64(memoryInUse()-before) / clients
			for b.Loop() { // it is measured once
			}
			b.ReportMetric(each, "bytes/client")
		})
	}
}

func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkRecoveryComeback is the processor's time for a client that was cut to come back, its own part included: as a new one, and
// as who it was with so many messages that it missed.
func BenchmarkRecoveryComeback(b *testing.B) {
	benchmark := func(b *testing.B, r *Recovery, missed int) {
		s, url := newTestServer(b, map[string]app.Handler{"/": functions{}}, func(c *Config) { c.Recovery = r })
		var spent time.Duration
		n := 0
		for b.Loop() {
			b.StopTimer()
			client := &returner{namespace: "/"}
			first := dial(b, url)
			if r == nil {
				first.Send("40")
				first.Read()
			} else {
				client.open(first)
			}
			first.WS.CloseNow()
			for r == nil && s.Stats().Sockets > 0 || r != nil && s.RecoveryStore().Stats().Away == 0 {
				time.Sleep(100 * time.Microsecond)
			}
			for i := range missed {
				s.hub.Send(hub.EverybodyRoom("/"), &hub.Message{Namespace: "/", Event: "n", Args: []json.RawMessage{argument(100), json.RawMessage(fmt.Sprint(i))}})
			}
			b.StartTimer()
			before := processorTime()
			second := dial(b, url)
			if r == nil {
				second.Send("40")
				second.Read()
			} else {
				second.Send(`40{"pid":"` + client.pid + `"}`)
				for range missed + 1 {
					second.Read()
				}
			}
			spent += processorTime() - before
			n++
			b.StopTimer()
			if r != nil && s.RecoveryStore().Stats().Recovered != uint64(n) {
				b.Fatal("not recovered")
			}
			second.Send("41")
			second.WS.CloseNow()
			for s.Stats().Sockets > 0 {
				time.Sleep(100 * time.Microsecond)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(spent)/float64(n), "cpu-ns/comeback")
	}
	b.Run("new", func(b *testing.B) { benchmark(b, nil, 0) })
	for _, missed := range []int{0, 50} {
		b.Run(fmt.Sprintf("missed=%d", missed), func(b *testing.B) { benchmark(b, recovering(), missed) })
	}
}
