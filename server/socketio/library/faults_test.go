package library

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/socketio"
)

// These tests hold where the library alone, or beside our engine, would not do what a Node server does.

// The rooms of a socket are still there when "disconnecting" is called, whoever ends it.
func TestRoomsWhileDisconnecting(t *testing.T) {
	_, _, url, sockets := newLibraryServer(t)
	for name, end := range map[string]func(*client, *sio.Socket){
		"client namespace disconnect": func(c *client, _ *sio.Socket) { c.Send("41/lib,") },
		"transport":                   func(c *client, _ *sio.Socket) { c.WS.CloseNow() },
		"server namespace disconnect": func(_ *client, s *sio.Socket) { s.Disconnect(false) },
		"forced":                      func(_ *client, s *sio.Socket) { s.Disconnect(true) },
	} {
		c, sid := connect(t, url, "/lib")
		sock := receive(t, sockets)
		sock.Join("a", "b")
		events := make(chan string, 2)
		note := func(event string) func(...any) {
			return func(...any) {
				var rooms []string
				for _, r := range sock.Rooms().Keys() {
					rooms = append(rooms, strings.ReplaceAll(string(r), sid, "own"))
				}
				slices.Sort(rooms)
				events <- fmt.Sprint(event, rooms)
			}
		}
		_ = sock.On("disconnecting", note("disconnecting"))
		_ = sock.On("disconnect", note("disconnect"))
		end(c, sock)
		if got := receive(t, events); got != "disconnecting[a b own]" {
			t.Errorf("%s: %s", name, got)
		}
		if got := receive(t, events); got != "disconnect[]" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A middleware that never answers keeps neither the client nor what is known of it for longer than the connect timeout,
// whether the client stays, in another namespace, or goes.
func TestMiddlewareThatNeverAnswers(t *testing.T) {
	const timeout = 200 * time.Millisecond
	s, url := newTestServer(t, echo(), func(c *socketio.Config) { c.ConnectTimeout = timeout })
	nsp := s.Library().Of("/stuck", nil)
	late := make(chan func(*sio.ExtendedError), 2)
	nsp.Use(func(_ *sio.Socket, next func(*sio.ExtendedError)) { late <- next })
	connections := make(chan any, 2)
	_ = nsp.On("connection", func(args ...any) { connections <- args[0] })
	stays, goes := dial(t, url), dial(t, url)
	for _, c := range []*client{stays, goes} {
		c.Join("/", "")
		c.Send("40/stuck,")
	}
	nexts := []func(*sio.ExtendedError){receive(t, late), receive(t, late)}
	goes.WS.CloseNow()
	stays.Want(`44/stuck,{"message":"Connect timeout"}`)
	asked := &s.lib.namespace("/stuck").asked
	waitFor(t, func() bool {
		n := 0
		asked.Range(func(any, any) bool { n++; return true })
		return n == 0
	})
	for _, next := range nexts {
		next(nil)
	}
	stays.Send(`421["still"]`)
	stays.Want(`431["still"]`)
	if n := nsp.Sockets().Len(); n != 0 || len(connections) != 0 {
		t.Errorf("%d sockets, %d connections after all", n, len(connections))
	}
}

// What a middleware joins is kept, unless a later one refuses the client.
func TestRoomsJoinedInMiddleware(t *testing.T) {
	s, nsp, url, sockets := newLibraryServer(t)
	nsp.Use(func(sock *sio.Socket, next func(*sio.ExtendedError)) {
		sock.Join("early")
		next(nil)
	})
	nsp.Use(func(sock *sio.Socket, next func(*sio.ExtendedError)) {
		auth, _ := sock.Handshake().Auth.(map[string]any)
		if auth["refuse"] == true {
			next(sio.NewExtendedError("no", nil))
			return
		}
		go next(nil) // as one that asks somebody else does
	})
	c := dial(t, url)
	c.Send(`40/lib,{"refuse":true}`)
	c.Want(`44/lib,{"message":"no"}`)
	if n := s.hub.Counts(); len(n) != 0 {
		t.Errorf("rooms of a client that was refused: %v", n)
	}
	c.Join("/lib", "")
	if rooms := receive(t, sockets).Rooms().Keys(); !slices.Contains(rooms, "early") {
		t.Errorf("rooms = %v", rooms)
	}
	nsp.To("early").Emit("hello")
	c.Want(`42/lib,["hello"]`)
}

// A client that goes while a middleware still looks at it leaves nothing behind.
func TestGoneDuringMiddleware(t *testing.T) {
	s, nsp, url, _ := newLibraryServer(t)
	goOn := make(chan func(*sio.ExtendedError), 1)
	nsp.Use(func(sock *sio.Socket, next func(*sio.ExtendedError)) {
		sock.Join("early")
		goOn <- next
	})
	c := dial(t, url)
	c.Send("40/lib,")
	next := receive(t, goOn)
	c.WS.CloseNow()
	waitFor(t, func() bool { return s.Stats().Connections == 0 && len(s.hub.Counts()) == 0 })
	next(nil)
	waitFor(t, func() bool { return nsp.Sockets().Len() == 0 && len(s.hub.Counts()) == 0 })
}

// Each socket that "connection" is called with is told that it is gone, also one that leaves at once.
func TestEveryConnectionHasADisconnect(t *testing.T) {
	s, url := newTestServer(t, nil)
	const clients = 300
	var came, went atomic.Int64
	var reasons atomic.Int64
	_ = s.Library().Of("/lib", nil).On("connection", func(args ...any) {
		came.Add(1)
		_ = args[0].(*sio.Socket).On("disconnect", func(args ...any) {
			went.Add(1)
			if reason, _ := args[0].(string); reason != "" {
				reasons.Add(1)
			}
		})
	})
	for i := range clients {
		c := dial(t, url)
		c.Send("40/lib,")
		switch i % 3 {
		case 0:
			c.WS.CloseNow()
		case 1:
			_ = c.Read()
			c.Send("41/lib,")
		default:
			_ = c.Read()
			c.WS.CloseNow()
		}
	}
	waitFor(t, func() bool { return s.Stats().Sockets <= clients/3 && came.Load() >= clients*2/3 })
	waitFor(t, func() bool { return came.Load() == went.Load() && reasons.Load() == went.Load() })
}

// The middleware of a socket sees its events before the listeners, in order, and may refuse them.
func TestSocketMiddleware(t *testing.T) {
	_, _, url, sockets := newLibraryServer(t)
	c, _ := connect(t, url, "/lib")
	sock := receive(t, sockets)
	got := make(chan string, 100)
	sock.OnAny(func(args ...any) { got <- fmt.Sprint("any ", args[0]) })
	sock.Use(func(event []any, next func(error)) {
		if event[0] == "forbidden" {
			next(errors.New("unauthorized event"))
			return
		}
		event[1] = fmt.Sprint(event[1], "!")
		next(nil)
	})
	sock.Use(func(event []any, next func(error)) {
		got <- "use"
		next(nil)
	})
	_ = sock.On("say", func(args ...any) { got <- fmt.Sprint("said ", args[0]) })
	_ = sock.On("forbidden", func(...any) { got <- "reached" })
	_ = sock.On("error", func(args ...any) { got <- fmt.Sprint("error ", args[0]) })
	c.Send(`42/lib,["forbidden",1]`, `42/lib,["say","hi"]`, `42/lib,["say","there"]`)
	for _, want := range []string{"any forbidden", "error unauthorized event",
		"any say", "use", "said hi!", "any say", "use", "said there!"} {
		if text := receive(t, got); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

// A packet that cannot be decoded is an "error" of the sockets of its connection.
func TestErrorOfAPacketThatCannotBeDecoded(t *testing.T) {
	_, _, url, sockets := newLibraryServer(t)
	for _, packet := range []string{"4x", `42/lib,["e"`, `42/lib,["e",1e999]`} {
		c, _ := connect(t, url, "/lib")
		sock := receive(t, sockets)
		got := make(chan string, 2)
		_ = sock.On("error", func(args ...any) {
			if _, ok := args[0].(error); ok && sock.Connected() {
				got <- "error"
			}
		})
		_ = sock.On("disconnect", func(...any) { got <- "disconnect" })
		c.Send(packet)
		if a, b := receive(t, got), receive(t, got); a != "error" || b != "disconnect" {
			t.Errorf("%s: %s, %s", packet, a, b)
		}
		c.WantClosed()
	}
}

// Recovery is the server's own, and switching it on in the library's options says so.
func TestRecoveryIsRefused(t *testing.T) {
	s, _ := newTestServer(t, nil)
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "recovery") {
			t.Errorf("switching recovery on: %v", r)
		}
	}()
	s.Library().Opts().SetConnectionStateRecovery(new(sio.ConnectionStateRecovery))
}

// A handshake that is emitted has the form that it has in JavaScript.
func TestEmittedHandshake(t *testing.T) {
	_, _, url, sockets := newLibraryServer(t)
	c := dial(t, url)
	c.Send(`40/lib,{"who":"ann"}`)
	c.Read()
	sock := receive(t, sockets)
	_ = sock.Emit("hs", map[string]any{"handshake": sock.Handshake()})
	got := c.Read()
	for _, want := range []string{`"host":"127.0.0.1:`, `"EIO":"4"`, `"transport":"websocket"`, `"auth":{"who":"ann"}`, `"url":"/socket.io/`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s has no %s", got, want)
		}
	}
}

// A function that allows dynamic namespaces may answer later, and the next is asked where it refuses.
func TestDynamicNamespaceThatIsAllowedLater(t *testing.T) {
	s, url := newTestServer(t, nil)
	allows := func(name string, _ any, next func(error, bool)) {
		go next(nil, strings.HasPrefix(name, "/later-"))
	}
	connected := make(chan string, 4)
	note := func(args ...any) { connected <- args[0].(*sio.Socket).Nsp().Name() }
	_ = s.Library().Of(sio.ParentNspNameMatchFn(&allows), nil).On("connection", note)
	_ = s.Library().Of(regexp.MustCompile(`^/now-\d$`), nil).On("connection", note)
	c := dial(t, url)
	for _, name := range []string{"/later-1", "/now-1"} {
		c.Join(name, "")
		if got := receive(t, connected); got != name {
			t.Errorf("connected %s", got)
		}
	}
	c.Send("40/never,")
	c.Want(`44/never,{"message":"Invalid namespace"}`)
}

// A panic in any listener of a program ends the connection that it was called for, and nothing else.
func TestPanicsInListeners(t *testing.T) {
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{}})
	other, _ := connect(t, url, "/")
	boom := func(...any) { panic("boom") }
	on := func(name string, event string, f func(sock *sio.Socket)) {
		_ = s.Library().Of(name, nil).On(event, func(args ...any) { f(args[0].(*sio.Socket)) })
	}
	on("/connect", "connect", func(*sio.Socket) { panic("boom") })
	on("/connection", "connection", func(*sio.Socket) { panic("boom") })
	on("/event", "connection", func(sock *sio.Socket) { _ = sock.On("e", boom) })
	on("/any", "connection", func(sock *sio.Socket) { sock.OnAny(boom) })
	on("/use", "connection", func(sock *sio.Socket) { sock.Use(func([]any, func(error)) { panic("boom") }) })
	on("/disconnect", "connection", func(sock *sio.Socket) { _ = sock.On("disconnect", boom) })
	on("/disconnecting", "connection", func(sock *sio.Socket) { _ = sock.On("disconnecting", boom) })
	on("/ack", "connection", func(sock *sio.Socket) { _ = sock.Emit("q", func([]any, error) { panic("boom") }) })
	s.Library().Of("/middleware", nil).Use(func(*sio.Socket, func(*sio.ExtendedError)) { panic("boom") })
	for i, name := range []string{"/connect", "/connection", "/event", "/any", "/use", "/disconnect", "/disconnecting", "/ack", "/middleware"} {
		c := dial(t, url)
		c.Send("40" + name + ",")
		if name != "/middleware" && name != "/connect" && name != "/connection" {
			c.Read()
		}
		switch name {
		case "/disconnect", "/disconnecting":
			c.Send("41" + name + ",")
		case "/ack":
			c.Read()
			c.Send("43" + name + ",1[]")
		case "/event", "/any", "/use":
			c.Send("42" + name + `,["e",1]`)
		}
		c.WantClosed()
		waitFor(t, func() bool { return s.Stats().Panics == uint64(i+1) })
		other.Send(`421["fine"]`)
		other.Want(`431["fine"]`)
	}
	waitFor(t, func() bool { return s.Stats().Sockets == 1 })
}

// An event waits a moment for listeners, and goes on where one of them does not return.
func TestConnectionListenerThatDoesNotReturn(t *testing.T) {
	s, url := newTestServer(t, nil)
	done := make(chan bool)
	defer close(done)
	_ = s.Library().Of("/lib", nil).On("connection", func(args ...any) {
		sock := args[0].(*sio.Socket)
		_ = sock.On("e", func(...any) { _ = sock.Emit("heard") })
		<-done
	})
	c, _ := connect(t, url, "/lib")
	start := time.Now()
	c.Send(`42/lib,["e"]`)
	c.Want(`42/lib,["heard"]`)
	if took := time.Since(start); took < listenersWait/2 {
		t.Errorf("the event did not wait, %v", took)
	}
}

// turnstile lets in who has a token, and sees what its clients say first.
type turnstile struct {
	inner  app.Handler
	closed chan string
}

func (g turnstile) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	if string(hs.Auth) != `{"token":"good"}` {
		return nil, errors.New("no")
	}
	inner, err := g.inner.Connect(p, hs)
	return watched{inner, g.closed}, err
}

type watched struct {
	app.Session
	closed chan string
}

func (w watched) Close(reason string) { w.Session.Close(reason); w.closed <- reason }

// The namespaces of the library stand behind the guard that handlers stand behind.
func TestGuardOfTheLibrary(t *testing.T) {
	closed := make(chan string, 1)
	s, url := newTestServer(t, nil, func(c *socketio.Config) {
		c.Guard = func(h app.Handler) app.Handler { return turnstile{h, closed} }
	})
	sockets := make(chan *sio.Socket, 1)
	_ = s.Library().Of("/lib", nil).On("connection", func(args ...any) { sockets <- args[0].(*sio.Socket) })
	c := dial(t, url)
	c.Send("40/lib,")
	c.Want(`44/lib,{"message":"no"}`)
	c.Send(`40/lib,{"token":"good"}`)
	if got := c.Read(); !strings.HasPrefix(got, `40/lib,{"sid":`) {
		t.Fatalf("with a token: %s", got)
	}
	_ = receive(t, sockets).On("e", func(args ...any) { args[0].(sio.Ack)([]any{"heard"}, nil) })
	c.Send(`42/lib,1["e"]`)
	c.Want(`43/lib,1["heard"]`)
	c.Send("41/lib,")
	if got := receive(t, closed); got != "client namespace disconnect" {
		t.Errorf("closed with %q", got)
	}
}
