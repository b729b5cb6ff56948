package socketio

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

func benchMessage() *hub.Message {
	return &hub.Message{Namespace: "/chat", Event: "e", Args: []json.RawMessage{json.RawMessage(`1`)}}
}

// BenchmarkDeliver is the cost of queueing one message for one client, which reads and throws away what it gets.
func BenchmarkDeliver(b *testing.B) {
	s, url := newTestServer(b, map[string]app.Handler{"/chat": functions{}}, func(c *Config) {
		c.Conn.OutboxBytes, c.Conn.WriteTimeout = 1<<40, time.Hour
	})
	c, sid := connect(b, url, "/chat")
	ended := make(chan struct{})
	go func() { // awaited below
		defer close(ended)
		for {
			if _, _, err := c.WS.Read(b.Context()); err != nil {
				return
			}
		}
	}()
	p, msg := s.audience("/chat", hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", sid)}})[0], benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		if !p.Deliver(msg) {
			b.Fatal("the client is gone")
		}
	}
	c.WS.CloseNow()
	<-ended
}

// taker is a member that takes everything.
type taker struct{}

func (taker) Deliver(m *hub.Message) bool { return m.Encoded(hub.FormSocketIO, encodeMessage) != nil }

// BenchmarkEmitHere is the cost of a message to a room of so many members: through the hub, and to selections of which
// only that room has members, as other servers name them.
func BenchmarkEmitHere(b *testing.B) {
	for _, members := range []int{1, 50} {
		s, _ := newTestServer(b, map[string]app.Handler{"/chat": functions{}})
		for i := range members {
			s.hub.Join(hub.NewMember(fmt.Sprint(i), taker{}), teamRoom)
		}
		one := []hub.Room{teamRoom}
		empty := []hub.Room{{Kind: hub.KindAccount, Name: "team"}, hub.NamespaceRoom("/chat", "team")}
		names := append(one, empty...)
		many := []hub.Room{otherRoom}
		for i := range 40 {
			s.hub.Join(hub.NewMember(fmt.Sprint(i), taker{}), otherRoom)
		}
		for _, bm := range []struct {
			name string
			sel  hub.Selection
			send func(hub.Selection, *hub.Message) int
		}{
			{"hub", hub.Selection{Rooms: one}, func(sel hub.Selection, msg *hub.Message) int { return s.hub.SendHere(sel.Rooms[0], msg) }},
			{"room", hub.Selection{Rooms: one}, s.hub.SendSelectionHere},
			{"names", hub.Selection{Rooms: names}, s.hub.SendSelectionHere},
			{"except-socket", hub.Selection{Rooms: names, Except: []hub.Room{hub.SocketRoom("/chat", "nobody")}}, s.hub.SendSelectionHere},
			{"except-names", hub.Selection{Rooms: names, Except: empty}, s.hub.SendSelectionHere},
			{"except-many", hub.Selection{Rooms: names, Except: many}, s.hub.SendSelectionHere},
		} {
			b.Run(fmt.Sprintf("%s/members=%d", bm.name, members), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if bm.send(bm.sel, benchMessage()) != members {
						b.Fatal("somebody is gone")
					}
				}
			})
		}
	}
}
