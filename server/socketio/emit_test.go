package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

var (
	teamRoom  = hub.Room{Kind: hub.KindRoom, Name: "team"}
	otherRoom = hub.Room{Kind: hub.KindRoom, Name: "other"}
	crowdRoom = hub.Room{Kind: hub.KindRoom, Name: "crowd"}
)

// newEmitServer serves /chat. Clients whose order of coming is in rooms join those rooms.
func newEmitServer(t *testing.T, rooms ...[]hub.Room) (*Server, string) {
	t.Helper()
	var s *Server
	var came atomic.Int64
	handler := functions{connect: func(p app.Peer, _ app.Handshake) error {
		if n := int(came.Add(1)) - 1; n < len(rooms) {
			for _, r := range rooms[n] {
				s.hub.Join(p.Member(), r)
			}
		}
		return nil
	}}
	s, url := newTestServer(t, map[string]app.Handler{"/chat": handler, "/": functions{}})
	return s, url
}

func ask(event string) *hub.Message {
	return &hub.Message{Namespace: "/chat", Event: event, Args: []json.RawMessage{json.RawMessage(`{"n": 1.0}`)}}
}

func TestEmitSelects(t *testing.T) {
	s, url := newEmitServer(t, []hub.Room{teamRoom, otherRoom}, []hub.Room{teamRoom}, nil)
	var clients []*client
	var sids []string
	for range 3 {
		c, sid := connect(t, url, "/chat")
		clients, sids = append(clients, c), append(sids, sid)
	}
	elsewhere, _ := connect(t, url, "/")
	first := s.hub.Members(hub.SocketRoom("/chat", sids[0]))[0]
	for i := range 2 * 16 {
		s.hub.Join(hub.NewMember(fmt.Sprint(i), taker{}), crowdRoom)
	}
	for name, tt := range map[string]struct {
		to   hub.Selection
		want []int
	}{
		"everybody":                   {hub.Selection{}, []int{0, 1, 2}},
		"everybody but a room":        {hub.Selection{Except: []hub.Room{otherRoom}}, []int{1, 2}},
		"everybody but a client":      {hub.Selection{ExceptMembers: []*hub.Member{first}}, []int{1, 2}},
		"everybody but a socket":      {hub.Selection{Except: []hub.Room{hub.SocketRoom("/chat", sids[0]), hub.SocketRoom("/chat", "nobody")}}, []int{1, 2}},
		"sockets":                     {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", sids[2]), hub.SocketRoom("/chat", sids[1])}}, []int{1, 2}},
		"a socket":                    {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", sids[2])}}, []int{2}},
		"a socket of elsewhere":       {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/", sids[2])}}, nil},
		"a socket and its room":       {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", sids[0]), teamRoom}}, []int{0, 1}},
		"a room but a socket of it":   {hub.Selection{Rooms: []hub.Room{teamRoom}, Except: []hub.Room{hub.SocketRoom("/chat", sids[0])}}, []int{1}},
		"a room but a room of one":    {hub.Selection{Rooms: []hub.Room{teamRoom}, Except: []hub.Room{hub.SocketRoom("/chat", sids[0])}}, []int{1}},
		"rooms of which one is empty": {hub.Selection{Rooms: []hub.Room{{Kind: hub.KindLobby, Name: "team"}, otherRoom, hub.SocketRoom("/chat", "team")}}, []int{0}},
		"a room but nobody of it":     {hub.Selection{Rooms: []hub.Room{otherRoom}, ExceptMembers: []*hub.Member{first}}, nil},
		"many but many":               {hub.Selection{Rooms: []hub.Room{crowdRoom, teamRoom, otherRoom}, Except: []hub.Room{crowdRoom}}, []int{0, 1}},
		"one room but many":           {hub.Selection{Rooms: []hub.Room{teamRoom}, Except: []hub.Room{crowdRoom}}, []int{0, 1}},
		"a room":                      {hub.Selection{Rooms: []hub.Room{teamRoom}}, []int{0, 1}},
		"two rooms, each client once": {hub.Selection{Rooms: []hub.Room{teamRoom, otherRoom}}, []int{0, 1}},
		"a room but another":          {hub.Selection{Rooms: []hub.Room{teamRoom}, Except: []hub.Room{otherRoom}}, []int{1}},
		"a room nobody is in":         {hub.Selection{Rooms: []hub.Room{{Kind: hub.KindLobby, Name: "team"}}}, nil},
	} {
		if got, complete := s.Emit(t.Context(), tt.to, ask("e")); got != len(tt.want) || !complete {
			t.Errorf("%s: Emit = %d, %v, want %d", name, got, complete, len(tt.want))
		}
		s.hub.SendSelectionHere(hub.Selection{}, ask("fence"))
		for i, c := range clients {
			if slices.Contains(tt.want, i) {
				c.Want(`42/chat,["e",{"n": 1.0}]`)
			}
			c.Want(`42/chat,["fence",{"n": 1.0}]`)
		}
	}
	if got := s.hub.SendSelectionHere(hub.Selection{}, &hub.Message{Namespace: "/nowhere", Event: "e"}); got != 0 {
		t.Errorf("Emit to a namespace that is not there = %d", got)
	}
	elsewhere.Send(`420["still"]`)
	elsewhere.Want(`430["still"]`) // and nothing before it
}

// number leaves out whether all servers have told: one that is alone always has.
func number(n int, _ bool) int { return n }

// collected is what EmitWithAck called back.
type collected struct {
	mu      sync.Mutex
	answers map[string]string
	first   chan struct{}
	once    sync.Once
}

func collect() *collected {
	return &collected{answers: make(map[string]string), first: make(chan struct{})}
}

func (c *collected) take(sid string, args []json.RawMessage, attachments [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[sid] += fmt.Sprintf("%s %q", args, attachments)
	c.once.Do(func() { close(c.first) })
}

func TestEmitWithAck(t *testing.T) {
	s, url := newEmitServer(t)
	a, sidA := connect(t, url, "/chat")
	b, sidB := connect(t, url, "/chat")
	got := collect()
	asked := make(chan int, 1)
	go func() { asked <- number(s.EmitWithAck(t.Context(), hub.Selection{}, ask("q"), got.take)) }()
	a.Want(`42/chat,1["q",{"n": 1.0}]`)
	b.Want(`42/chat,1["q",{"n": 1.0}]`)
	a.Send(`43/chat,1[12345678901234567890,{"a" :"\u00e9"}]`)
	a.Send(`43/chat,1["again"]`) // only the first counts
	b.Send(`461-/chat,1[{"_placeholder":true,"num":0}]`)
	b.SendBinary([]byte("bytes"))
	if n := receive(t, asked); n != 2 {
		t.Errorf("EmitWithAck = %d, want 2", n)
	}
	want := map[string]string{
		sidA: `[12345678901234567890 {"a" :"\u00e9"}] []`,
		sidB: `[{"_placeholder":true,"num":0}] ["bytes"]`,
	}
	for sid, text := range want {
		if got.answers[sid] != text {
			t.Errorf("answer = %s, want %s", got.answers[sid], text)
		}
	}
	b.Send(`43/chat,1["late"]`, `421["still here"]`)
	if n, complete := s.EmitWithAck(t.Context(), hub.Selection{Rooms: []hub.Room{teamRoom}}, ask("q"), got.take); !complete || n != 0 {
		t.Errorf("EmitWithAck to nobody = %d", n)
	}
	if n, _ := s.EmitWithAck(t.Context(), hub.Selection{}, &hub.Message{Namespace: "/nowhere", Event: "q"}, got.take); n != 0 {
		t.Errorf("EmitWithAck to a namespace that is not there = %d", n)
	}
}

func TestEmitWithAckDoesNotWaitForClientsThatLeft(t *testing.T) {
	s, url := newEmitServer(t)
	stays, sid := connect(t, url, "/chat")
	leaves, _ := connect(t, url, "/chat")
	cut, _ := connect(t, url, "/chat")
	got := collect()
	asked := make(chan int, 1)
	go func() { asked <- number(s.EmitWithAck(t.Context(), hub.Selection{}, ask("q"), got.take)) }()
	for _, c := range []*client{stays, leaves, cut} {
		c.Want(`42/chat,1["q",{"n": 1.0}]`)
	}
	leaves.Send("41/chat,")
	cut.WS.CloseNow()
	stays.Send(`43/chat,1[]`)
	if n := receive(t, asked); n != 3 || len(got.answers) != 1 || got.answers[sid] != "[] []" {
		t.Errorf("EmitWithAck = %d with %v, want 3 and one answer", n, got.answers)
	}
}

func TestEmitWithAckEndsWithItsContext(t *testing.T) {
	s, url := newEmitServer(t, []hub.Room{teamRoom}, []hub.Room{teamRoom}, nil)
	a, _ := connect(t, url, "/chat")
	silent, _ := connect(t, url, "/chat")
	stranger, _ := connect(t, url, "/chat")
	got := collect()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	asked := make(chan int, 1)
	go func() {
		asked <- number(s.EmitWithAck(ctx, hub.Selection{Rooms: []hub.Room{teamRoom}}, ask("q"), got.take))
	}()
	a.Want(`42/chat,1["q",{"n": 1.0}]`)
	stranger.Send(`43/chat,1["not asked"]`, `421["x"]`)
	a.Send(`43/chat,1["in time"]`)
	receive(t, got.first)
	cancel()
	if n := receive(t, asked); n != 2 || len(got.answers) != 1 {
		t.Errorf("EmitWithAck = %d with %v, want 2 and one answer", n, got.answers)
	}
	silent.Want(`42/chat,1["q",{"n": 1.0}]`)
	silent.Send(`43/chat,1["late"]`, `42/chat,9["fence"]`)
	silent.Want(`43/chat,9["fence"]`)
	if len(got.answers) != 1 {
		t.Errorf("answers = %v after the end", got.answers)
	}
}

// Many questions at once, to clients that answer, leave and come: each ends by itself and none is left behind.
func TestEmitWithAckUnderLoad(t *testing.T) {
	s, url := newEmitServer(t)
	var answering sync.WaitGroup
	for range 8 {
		c, _ := connect(t, url, "/chat")
		answering.Go(func() {
			for {
				text, err := c.TryRead()
				if err != nil {
					return
				}
				id, _, _ := strings.Cut(strings.TrimPrefix(text, "42/chat,"), "[")
				_ = c.WS.Write(t.Context(), websocket.MessageText, []byte("43/chat,"+id+"[1]")) // the next read tells
			}
		})
	}
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 20 {
				got := collect()
				if n, _ := s.EmitWithAck(t.Context(), hub.Selection{}, ask("q"), got.take); n < 8 || len(got.answers) < 8 {
					t.Errorf("%d asked, %d answers, want 8", n, len(got.answers))
				}
			}
		})
	}
	for range 10 {
		c := dial(t, url)
		c.Send("40/chat,")
		c.WS.CloseNow()
	}
	asking.Wait()
	if open := len(s.namespace("/chat").questions.open); open != 0 {
		t.Errorf("%d questions are still open", open)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	answering.Wait()
}

// silent is a cluster whose servers never tell.
type silent struct {
	alone
	hub.Bus
}

func (silent) SendSelection(hub.Selection, *hub.Message, func(int, bool)) {}

func (silent) Emit(hub.Selection, *hub.Message, func(int, bool)) {}

func (silent) AskClients(ctx context.Context, _ hub.Selection, _ *hub.Message, _ time.Duration, _ AnswerFunc) (int, bool) {
	<-ctx.Done()
	return 0, false
}

func TestClusterEmitDoesNotWaitForever(t *testing.T) {
	s, _ := newTestServer(t, echo(), func(c *Config) { c.Cluster, c.Hub.Bus = silent{}, silent{} })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if n, complete := s.Emit(ctx, hub.Selection{}, &hub.Message{Namespace: "/", Event: "e"}); n != 0 || complete {
		t.Errorf("Emit = %d, %v", n, complete)
	}
	if n, complete := s.EmitWithAck(ctx, hub.Selection{}, &hub.Message{Namespace: "/", Event: "e"}, nil); n != 0 || complete {
		t.Errorf("EmitWithAck = %d, %v", n, complete)
	}
}
