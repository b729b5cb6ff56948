package socketio

import (
	"encoding/json"
	"fmt"
	"testing"

	"signalbox/server/hub"
)

// newCrowd serves /chat to so many clients in one room; they read and throw away what they get until the test ends.
func newCrowd(t testing.TB, clients int) *Server {
	t.Helper()
	var s *Server
	handler := app{connect: func(p hub.Peer, _ hub.Handshake) error {
		s.hub.Join(p.Member(), teamRoom)
		return nil
	}}
	s, url := newTestServer(t, map[string]hub.Handler{"/chat": handler}, func(c *Config) { c.Engine.OutboxBytes = 1 << 40 })
	for range clients {
		c, _ := connect(t, url, "/chat")
		ended := make(chan struct{})
		go func() { // awaited by the cleanup
			defer close(ended)
			for {
				if _, _, err := c.ws.Read(t.Context()); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() {
			c.ws.CloseNow()
			<-ended
		})
	}
	return s
}

// BenchmarkDeliver is the cost of queueing one message for one client, as the hub does it.
func BenchmarkDeliver(b *testing.B) {
	s := newCrowd(b, 1)
	m := s.hub.Members(teamRoom)[0]
	msg := &hub.Message{Namespace: "/chat", Event: "e", Args: []json.RawMessage{json.RawMessage(`1`)}}
	b.ReportAllocs()
	for b.Loop() {
		if !m.Deliver(msg) {
			b.Fatal("the client is gone")
		}
	}
}

// BenchmarkEmitHere is the cost of a message to a selection of which one room has members, beside the hub's own cost for
// that room.
func BenchmarkEmitHere(b *testing.B) {
	for _, clients := range []int{1, 50} {
		s := newCrowd(b, clients)
		msg := func() *hub.Message {
			return &hub.Message{Namespace: "/chat", Event: "e", Args: []json.RawMessage{json.RawMessage(`1`)}}
		}
		b.Run(fmt.Sprintf("hub/clients=%d", clients), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s.hub.SendHere(teamRoom, msg()) != clients {
					b.Fatal("somebody is gone")
				}
			}
		})
	}
}
