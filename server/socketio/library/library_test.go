package library

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
)

// These tests hold what the library documents against our engine, parser and adapter below it.

// newLibraryServer serves the namespace /lib, which has no handler of ours, and hands out its sockets.
func newLibraryServer(t *testing.T) (*testServer, sio.Namespace, string, chan *sio.Socket) {
	t.Helper()
	s, url := newTestServer(t, echo())
	sockets := make(chan *sio.Socket, 16)
	nsp := s.Library().Of("/lib", nil)
	if err := nsp.On("connection", func(args ...any) { sockets <- args[0].(*sio.Socket) }); err != nil {
		t.Fatal(err)
	}
	return s, nsp, url, sockets
}

func TestLibraryEmitWithAckAndTimeout(t *testing.T) {
	_, _, url, sockets := newLibraryServer(t)
	c, sid := connect(t, url, "/lib")
	sock := receive(t, sockets)
	if string(sock.Id()) != sid || !sock.Connected() {
		t.Errorf("socket %s connected %v, want %s", sock.Id(), sock.Connected(), sid)
	}
	answers := make(chan []any, 1)
	ack := func(args []any, err error) {
		if err != nil {
			args = []any{err.Error()}
		}
		answers <- args
	}
	if err := sock.Emit("ask", "q", map[string]any{"b": []byte{1}}, ack); err != nil {
		t.Fatal(err)
	}
	c.Want(`451-/lib,1["ask","q",{"b":{"_placeholder":true,"num":0}}]`, "b\x01")
	c.Send(`461-/lib,1["yes",{"_placeholder":true,"num":0}]`)
	c.SendBinary([]byte("data"))
	got := receive(t, answers)
	if len(got) != 2 || got[0] != "yes" || string(got[1].(types.BufferInterface).Bytes()) != "data" {
		t.Errorf("ack = %v", got)
	}
	c.Send(`43/lib,1["again"]`) // a second answer finds nobody

	if err := sock.Timeout(10*time.Millisecond).Emit("ask", ack); err != nil {
		t.Fatal(err)
	}
	c.Want(`42/lib,2["ask"]`)
	if got := receive(t, answers); got[0] != "operation has timed out" {
		t.Errorf("timeout = %v", got)
	}
	c.Send(`43/lib,2["late"]`, `43/lib,77["nobody asked"]`, `42/lib,["still here"]`)
}

func TestLibraryListenersGetEventsInOrder(t *testing.T) {
	s, url := newTestServer(t, nil)
	got := make(chan string, 2000)
	nsp := s.Library().Of("/lib", nil)
	nsp.On("connection", func(args ...any) {
		sock := args[0].(*sio.Socket)
		sock.OnAny(func(args ...any) { got <- fmt.Sprint("any ", args[1]) })
		sock.On("n", func(args ...any) {
			got <- fmt.Sprint("on ", args[0])
			args[len(args)-1].(sio.Ack)([]any{args[0]}, nil)
		})
		sock.Emit("ready")
	})
	c, _ := connect(t, url, "/lib")
	c.Want(`42/lib,["ready"]`)
	for i := range 500 {
		c.Send(fmt.Sprintf(`42/lib,%d["n",%d]`, i, i))
	}
	for i := range 500 {
		c.Want(fmt.Sprintf(`43/lib,%d[%d]`, i, i))
		if a, b := receive(t, got), receive(t, got); a != fmt.Sprint("any ", i) || b != fmt.Sprint("on ", i) {
			t.Fatalf("event %d came as %q, %q", i, a, b)
		}
	}
}

func TestLibraryBroadcasts(t *testing.T) {
	_, nsp, url, sockets := newLibraryServer(t)
	var clients []*client
	var socks []*sio.Socket
	for range 4 {
		c, _ := connect(t, url, "/lib")
		clients, socks = append(clients, c), append(socks, receive(t, sockets))
	}
	socks[0].Join("a", "b")
	socks[1].Join("a")
	socks[2].Join("b", "x")
	fence := func() {
		t.Helper()
		nsp.Emit("fence")
		for _, c := range clients {
			c.Want(`42/lib,["fence"]`)
		}
	}
	// Several rooms without doubles, and an exception.
	nsp.To("a", "b").Except("x").Emit("m", 1)
	clients[0].Want(`42/lib,["m",1]`)
	clients[1].Want(`42/lib,["m",1]`)
	fence()
	// A socket's own broadcast leaves the sender out.
	socks[1].To("a").Emit("m", 2)
	clients[0].Want(`42/lib,["m",2]`)
	fence()
	// An id is a room.
	nsp.To(sio.Room(socks[3].Id())).Emit("m", 3)
	clients[3].Want(`42/lib,["m",3]`)
	fence()
	// Order holds from one broadcast to the next.
	for i := range 200 {
		nsp.To("a").Emit("burst", i)
	}
	for i := range 200 {
		clients[1].Want(fmt.Sprintf(`42/lib,["burst",%d]`, i))
		clients[0].Want(fmt.Sprintf(`42/lib,["burst",%d]`, i))
	}
	fence()

	if rooms := socks[0].Rooms().Keys(); len(rooms) != 3 || !slices.Contains(rooms, sio.Room("b")) {
		t.Errorf("rooms = %v", rooms)
	}
	nsp.In("a").SocketsJoin("c")
	nsp.In("b").SocketsLeave("a")
	nsp.In("c").FetchSockets()(func(remote []*sio.RemoteSocket, err error) {
		if err != nil || len(remote) != 2 {
			t.Errorf("fetchSockets = %d, %v", len(remote), err)
		}
	})
	nsp.To("a").Emit("m", 4)
	clients[1].Want(`42/lib,["m",4]`)
	fence()

	socks[0].Leave("b")
	nsp.In("b").DisconnectSockets(false)
	clients[2].Want("41/lib,")
	if ids, _ := nsp.AllSockets(); ids.Len() != 3 {
		t.Errorf("%d sockets left, want 3", ids.Len())
	}
}

func TestLibraryBroadcastWithAcks(t *testing.T) {
	_, nsp, url, sockets := newLibraryServer(t)
	var clients []*client
	for range 3 {
		c, _ := connect(t, url, "/lib")
		clients = append(clients, c)
		receive(t, sockets)
	}
	answers := make(chan []any, 1)
	nsp.Timeout(patience).Emit("ask", func(args []any, err error) {
		if err != nil {
			t.Errorf("ack error: %v", err)
		}
		answers <- args
	})
	for i, c := range clients {
		c.Want(`42/lib,1["ask"]`)
		c.Send(fmt.Sprintf(`43/lib,1[%d]`, i))
	}
	if got := receive(t, answers); len(got) != 3 {
		t.Errorf("answers = %v, want three", got)
	}
	nsp.Timeout(10*time.Millisecond).Emit("ask", func(args []any, err error) {
		if err == nil {
			t.Error("no timeout")
		}
		answers <- args
	})
	receive(t, answers)
}

func TestLibraryDisconnectReasonsAndMiddleware(t *testing.T) {
	s, nsp, url, sockets := newLibraryServer(t)
	nsp.Use(func(sock *sio.Socket, next func(*sio.ExtendedError)) {
		if auth, _ := sock.Handshake().Auth.(map[string]any); auth["token"] == "bad" {
			sock.Join("early")
			next(sio.NewExtendedError("nope", nil))
			return
		}
		next(nil)
	})
	c := dial(t, url)
	c.Send(`40/lib,{"token":"bad"}`)
	c.Want(`44/lib,{"message":"nope"}`)
	c.Join("/lib", "")
	reasons := make(chan any, 1)
	receive(t, sockets).On("disconnect", func(args ...any) { reasons <- args[0] })
	c.Send("41/lib,")
	if got := receive(t, reasons); got != "client namespace disconnect" {
		t.Errorf("reason = %v", got)
	}
	c.Join("/lib", "")
	receive(t, sockets).On("disconnect", func(args ...any) { reasons <- args[0] })
	c.WS.CloseNow()
	if got := receive(t, reasons); got != "transport close" && got != "transport error" {
		t.Errorf("reason = %v", got)
	}
	waitFor(t, func() bool { return s.Stats().Sockets == 0 && len(s.hub.Counts()) == 0 })
}

// TestLibraryListenersMissNothing: an event that comes right behind CONNECT waits for the listeners that the program
// registers when it hears of the socket.
func TestLibraryListenersMissNothing(t *testing.T) {
	s, url := newTestServer(t, nil)
	const clients = 20
	heard := make(chan any, clients)
	nsp := s.Library().Of("/lib", nil)
	err := nsp.On("connection", func(args ...any) {
		sock := args[0].(*sio.Socket)
		for s.Stats().EventsIn == 0 { // the first event is there, and has nobody yet
			runtime.Gosched()
		}
		_ = sock.On("early", func(args ...any) { heard <- args[0] })
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		c, _ := connect(t, url, "/lib")
		c.Send(fmt.Sprintf(`42/lib,["early",%d]`, i))
		if got := receive(t, heard); got != float64(i) {
			t.Fatalf("heard %v, want %d", got, i)
		}
	}
}

// TestLibraryArgumentsThatCannotBeRead: the listeners of the library get Go values; what has none is not lost in silence.
func TestLibraryArgumentsThatCannotBeRead(t *testing.T) {
	s, _, url, sockets := newLibraryServer(t)
	c, _ := connect(t, url, "/lib")
	receive(t, sockets)
	c.Send(`42/lib,["n",1e999]`)
	c.WantClosed()
	if got := s.Stats().BadPackets; got != 1 {
		t.Errorf("%d bad packets were counted, want 1", got)
	}
}

// Ids of questions and of the library's own acks come from one counter, so an answer finds the right one.
func TestEmitWithAckBesideTheLibrary(t *testing.T) {
	s, nsp, url, sockets := newLibraryServer(t)
	c, sid := connect(t, url, "/lib")
	receive(t, sockets)
	library := make(chan []any, 1)
	nsp.Timeout(patience).Emit("theirs", func(args []any, _ error) { library <- args })
	c.Want(`42/lib,1["theirs"]`)
	got := collect()
	asked := make(chan int, 1)
	go func() {
		n, _ := s.EmitWithAck(t.Context(), hub.Selection{}, &hub.Message{Namespace: "/lib", Event: "ours"}, got.take)
		asked <- n
	}()
	c.Want(`42/lib,2["ours"]`)
	c.Send(`43/lib,2["to us"]`, `43/lib,1["to them"]`)
	if n := receive(t, asked); n != 1 || !strings.Contains(got.answers[sid], "to us") {
		t.Errorf("EmitWithAck = %d with %v", n, got.answers)
	}
	if args := receive(t, library); !strings.Contains(fmt.Sprint(args), "to them") {
		t.Errorf("the library got %v", args)
	}
}

// A dynamic namespace that the library forgets is forgotten here as well.
func TestForgottenNamespaces(t *testing.T) {
	s, url := newTestServer(t, nil)
	nsp := s.Library().Of("/made", nil)
	c := dial(t, url)
	c.Join("/made", "")
	c.Send("41/made,")
	nsp.Adapter().Close()
	c.Send("40/made,")
	c.Want(`44/made,{"message":"Invalid namespace"}`)
}

// TestViolations: a program hears what a program on Node hears of a client that breaks the rules.
func TestViolations(t *testing.T) {
	for packet, want := range map[string][]string{
		"4abc":      {"error malformed packet: unknown type", "disconnect forced close"},
		`450-["a"]`: {"error illegal attachments: none", "disconnect forced close"},
		"40/lib,":   {"disconnect forced server close"},
	} {
		s, url := newTestServer(t, nil)
		heard := make(chan string, 3)
		s.Library().Of("/lib", nil).On("connection", func(args ...any) {
			sock := args[0].(*sio.Socket)
			sock.On("error", func(args ...any) { heard <- fmt.Sprint("error ", args[0]) })
			sock.On("disconnect", func(args ...any) { heard <- fmt.Sprint("disconnect ", args[0]) })
			sock.Emit("ready")
		})
		c, _ := connect(t, url, "/lib")
		c.Want(`42/lib,["ready"]`)
		c.Send(packet)
		for _, event := range want {
			if got := receive(t, heard); got != event {
				t.Errorf("after %q the program hears %q, want %q", packet, got, event)
			}
		}
	}
}
