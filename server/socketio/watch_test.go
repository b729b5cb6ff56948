package socketio

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// watch notes what it hears.
type watch struct {
	mu    sync.Mutex
	heard []string // guarded by mu
}

func (w *watch) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, text)
}

func (w *watch) Shown(m *hub.Member, rooms []hub.Room) {
	w.note(fmt.Sprint("shown ", m.Sink().(Watched).Namespace(), " ", len(rooms)))
}
func (w *watch) Gone(m *hub.Member, _ []hub.Room)               { w.note("gone " + m.Sink().(Watched).Ending()) }
func (w *watch) Joined(_ *hub.Member, r hub.Room, _ []hub.Room) { w.note("joined " + r.Name) }
func (w *watch) Left(_ *hub.Member, r hub.Room, _ []hub.Room)   { w.note("left " + r.Name) }
func (w *watch) Received(_ Watched, e *app.Event)               { w.note("received " + e.Name) }
func (w *watch) Sent(_ Watched, m *hub.Message)                 { w.note("sent " + m.Event) }
func (w *watch) Upgraded(p Watched)                             { w.note("upgraded to " + p.Transport()) }

func TestWatch(t *testing.T) {
	w := new(watch)
	var s *Server
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error {
			s.hub.Join(p.Member(), hub.Room{Kind: hub.KindUser, Name: "42"}) // among the rooms that it is shown with
			return p.Emit("welcome")
		},
		event: func(p app.Peer, e *app.Event) {
			s.hub.Join(p.Member(), hub.Room{Kind: hub.KindLobby, Name: "den"})
			s.hub.Send(hub.EverybodyRoom("/"), &hub.Message{Namespace: "/", Event: "all"})
			p.Disconnect(false)
		},
	}}, func(c *Config) { c.Watch, c.Hub.Watcher = w, w })
	c := dial(t, url)
	c.Send("40")
	c.Read()
	c.Want(`42["welcome"]`)
	c.Send(`42["go"]`)
	c.Want(`42["all"]`, "41")
	w.mu.Lock()
	defer w.mu.Unlock()
	got := strings.Join(w.heard, ", ")
	if want := "sent welcome, shown / 3, received go, joined den, sent all"; !strings.HasPrefix(got, want) {
		t.Errorf("heard %s, want %s", got, want)
	}
}

func TestInstrumentedSockets(t *testing.T) {
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{}}, func(c *Config) { c.Instrumented = true })
	connect(t, url, "/")
	sockets := s.SocketsHere("/", hub.Selection{})
	if len(sockets) != 1 {
		t.Fatalf("%d sockets", len(sockets))
	}
	id := s.audience("/", hub.Selection{})[0].conn().session.ID()
	if got, want := string(sockets[0].Data), `{"_admin":{"clientId":"`+id[:12]+`","transport":"websocket"}}`; got != want {
		t.Errorf("data = %s, want %s", got, want)
	}
}
