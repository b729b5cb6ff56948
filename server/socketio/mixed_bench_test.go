//go:build unix

package socketio

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/recovery"
)

// BenchmarkMixedRoom is the processor's time for a message to one client of a room of which none, half or all speak msgpack,
// until it is read at the other end of a socket.
func BenchmarkMixedRoom(b *testing.B) {
	for _, members := range []int{10, 100} {
		for _, size := range []int{100, 4000} {
			for _, packed := range []int{0, 50, 100} {
				b.Run(fmt.Sprintf("members=%d/bytes=%d/msgpack=%d%%", members, size, packed), func(b *testing.B) {
					benchmarkRoom(b, members, members*packed/100, 64, argument(size), nil)
				})
			}
		}
	}
}

// benchmarkRoom has burst messages sent before all of them are awaited.
func benchmarkRoom(b *testing.B, members, packed, burst int, arg json.RawMessage, r *Recovery) {
	s, url := newTestServer(b, map[string]app.Handler{"/chat": functions{}}, func(c *Config) {
		c.Conn.OutboxBytes, c.Conn.WriteTimeout, c.Recovery = 1<<40, time.Hour, r
	})
	msg := func() *hub.Message {
		return &hub.Message{Namespace: "/chat", Event: "message", Args: []json.RawMessage{arg}}
	}
	plain := encodeMessage(msg())
	var readers, bursts sync.WaitGroup
	defer readers.Wait()
	for i := range members {
		c, size := dialSink(b, url, i < packed), plain.Size()
		if r != nil {
			size += recovery.OffsetLength + len(`,""`)
		}
		if i < packed {
			size = toMsgpack(plain).Size()
		}
		defer c.Close()
		readers.Go(func() { // awaited above
			for {
				if _, err := io.CopyN(io.Discard, c, int64(burst*size)); err != nil {
					return
				}
				bursts.Done()
			}
		})
	}
	for _, p := range s.audience("/chat", hub.Selection{}) {
		s.hub.Join(p.member, teamRoom)
	}
	before, sent := processorTime(), 0
	for b.Loop() {
		bursts.Add(members)
		for range burst {
			if n := s.hub.Send(teamRoom, msg()); n != members {
				b.Fatalf("sent to %d", n)
			}
		}
		bursts.Wait()
		sent += burst * members
	}
	b.ReportMetric(float64(processorTime()-before)/float64(sent), "cpu-ns/delivery")
}

// argument returns an argument of about so many bytes, as applications have them.
func argument(size int) json.RawMessage {
	item := `{"id":12345,"price":17.25,"name":"an item of a list","tags":["a","b"],"sold":false}`
	return json.RawMessage("[" + item + strings.Repeat(","+item, max(0, size/len(item)-1)) + "]")
}

// dialSink connects a websocket to /chat whose frames nobody looks at.
func dialSink(b *testing.B, url string, packed bool) net.Conn {
	b.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		b.Fatalf("upgrade: %v", err)
	}
	code, packet := byte(0x81), []byte("40/chat,")
	if packed {
		code, packet = 0x82, toPacked(b, `{"type":0,"nsp":"/chat"}`)
	}
	if _, err := c.Write(append([]byte{code, 0x80 | byte(len(packet)), 0, 0, 0, 0}, packet...)); err != nil {
		b.Fatal(err)
	}
	for range 2 { // the handshake, and CONNECT
		head := make([]byte, 2)
		if _, err := io.ReadFull(in, head); err != nil {
			b.Fatal(err)
		}
		length := int(head[1])
		if length == 126 {
			if _, err := io.ReadFull(in, head); err != nil {
				b.Fatal(err)
			}
			length = int(head[0])<<8 | int(head[1])
		}
		if _, err := in.Discard(length); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// processorTime returns the time that this process had a processor.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for this process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
