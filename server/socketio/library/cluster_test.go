package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// twin is one server's way to the other of two, in one process.
type twin struct {
	other func() *testServer
	away  atomic.Bool // the other cannot be reached
	emits atomic.Int32

	mu sync.Mutex
	// mu guards the following.
	open  map[string]bool
	calls []string // of Open and Close
}

var errAway = errors.New("the other server is away")

func (w *twin) note(call, namespace string, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = make(map[string]bool)
	}
	if w.open[namespace] == open {
		call = "again: " + call
	}
	w.open[namespace] = open
	w.calls = append(w.calls, call+" "+namespace)
}

func (w *twin) SocketPrefix() string   { return "twin" }
func (w *twin) Open(namespace string)  { w.note("open", namespace, true) }
func (w *twin) Close(namespace string) { w.note("close", namespace, false) }

func (w *twin) log() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *twin) ServerCount(_ context.Context, namespace string) int64 {
	if w.other().lib.namespace(namespace) == nil {
		return 1
	}
	return 2
}

// elsewhere is a selection without what means nothing on another server.
func elsewhere(sel hub.Selection) hub.Selection {
	sel.ExceptMembers = nil
	return sel
}

func (w *twin) SendSelection(sel hub.Selection, msg *hub.Message, counted func(int, bool)) {
	n := 0
	w.emits.Add(1)
	if !w.away.Load() {
		n = w.other().hub.SendSelectionHere(elsewhere(sel), msg)
	}
	if counted != nil {
		go counted(n, !w.away.Load())
	}
}

func (w *twin) Emit(sel hub.Selection, msg *hub.Message, counted func(int, bool)) {
	w.SendSelection(sel, msg, counted)
}

func (w *twin) Want(hub.Room)       {}
func (w *twin) Await(hub.Room)      {}
func (w *twin) Heard(hub.Room) bool { return true }
func (w *twin) Unwant(hub.Room)     {}
func (w *twin) Send(r hub.Room, msg *hub.Message) {
	w.SendSelection(hub.Selection{Rooms: []hub.Room{r}}, msg, nil)
}

func (w *twin) SendCounted(r hub.Room, msg *hub.Message, counted func(int, bool)) {
	w.SendSelection(hub.Selection{Rooms: []hub.Room{r}}, msg, counted)
}

func (w *twin) AskClients(ctx context.Context, sel hub.Selection, msg *hub.Message, timeout time.Duration, answer socketio.AnswerFunc) (asked int, complete bool) {
	if w.away.Load() {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	calls := 0
	w.other().AskHere(ctx, elsewhere(sel), msg, func(n int) { asked = n; calls++ }, func(sid string, args []json.RawMessage, attachments [][]byte) {
		if calls != 1 {
			panic("an answer before the number of clients")
		}
		answer(sid, args, attachments)
	})
	return asked, calls == 1
}

func (w *twin) FetchSockets(_ context.Context, namespace string, sel hub.Selection) ([]format.Socket, error) {
	if w.away.Load() {
		return nil, errAway
	}
	return w.other().SocketsHere(namespace, elsewhere(sel)), nil
}

func (w *twin) AllRooms(_ context.Context, namespace string) ([]string, error) {
	return w.other().RoomsHere(namespace), nil
}

func (w *twin) Join(namespace string, sel hub.Selection, rooms []string) {
	w.other().JoinHere(namespace, elsewhere(sel), rooms)
}

func (w *twin) Leave(namespace string, sel hub.Selection, rooms []string) {
	w.other().LeaveHere(namespace, elsewhere(sel), rooms)
}

func (w *twin) Disconnect(namespace string, sel hub.Selection, closeConnection bool) {
	w.other().DisconnectHere(namespace, elsewhere(sel), closeConnection)
}

func (w *twin) ServerSide(_ context.Context, namespace string, args []json.RawMessage, attachments [][]byte) error {
	w.other().ServerSideHere(namespace, args, attachments, nil)
	return nil
}

func (w *twin) ServerSideAsk(ctx context.Context, namespace string, args []json.RawMessage, attachments [][]byte) ([]json.RawMessage, error) {
	answers := make(chan json.RawMessage, 1)
	w.other().ServerSideHere(namespace, args, attachments, func(value json.RawMessage, _ [][]byte) { answers <- value })
	if w.away.Load() {
		return nil, errAway
	}
	select {
	case value := <-answers:
		return []json.RawMessage{value}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// node is one of two servers with what a test needs of it.
type node struct {
	*testServer
	url     string
	way     *twin
	lib     sio.Namespace
	sockets chan *sio.Socket
}

// newPair returns two servers of one cluster. Clients of /chat join the room that their CONNECT payload names; /lib is the
// library's.
func newPair(t *testing.T) (a, b *node) {
	t.Helper()
	nodes := [2]*node{{}, {}}
	for i, n := range nodes {
		n.way = &twin{other: func() *testServer { return nodes[1-i].testServer }}
		n.sockets = make(chan *sio.Socket, 16)
		handler := functions{connect: func(p app.Peer, hs app.Handshake) error {
			var where struct{ Room string }
			if err := json.Unmarshal(hs.Auth, &where); err != nil || where.Room == "" {
				return err
			}
			n.hub.Join(p.Member(), hub.Room{Kind: hub.KindRoom, Name: where.Room})
			return nil
		}}
		n.testServer, n.url = newTestServer(t, map[string]app.Handler{"/": functions{}, "/chat": handler}, func(c *socketio.Config) { c.Cluster, c.Hub.Bus = n.way, n.way })
		n.lib = n.Library().Of("/lib", nil)
		if err := n.lib.On("connection", func(args ...any) { n.sockets <- args[0].(*sio.Socket) }); err != nil {
			t.Fatal(err)
		}
	}
	return nodes[0], nodes[1]
}

// chat connects a client of /chat in a room.
func (n *node) chat(t *testing.T, room string) (*client, string) {
	t.Helper()
	c := dial(t, n.url)
	c.Send(`40/chat,{"room":"` + room + `"}`)
	var answer struct{ Sid string }
	got := c.Read()
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "40/chat,")), &answer); err != nil || answer.Sid == "" {
		t.Fatalf("answer = %q", got)
	}
	return c, answer.Sid
}

// join connects a client of /lib, and returns the library's socket too.
func (n *node) join(t *testing.T, rooms ...sio.Room) (*client, *sio.Socket) {
	t.Helper()
	c, _ := connect(t, n.url, "/lib")
	sock := receive(t, n.sockets)
	sock.Join(rooms...)
	return c, sock
}

func TestClusterEmitReachesEveryServer(t *testing.T) {
	a, b := newPair(t)
	here, hereID := a.chat(t, "team")
	there, thereID := b.chat(t, "team")
	alone, _ := b.chat(t, "other")
	for _, n := range []*node{a, b} {
		for name, tt := range map[string]struct {
			to   hub.Selection
			want []*client
		}{
			"everybody":         {hub.Selection{}, []*client{here, there, alone}},
			"a room":            {hub.Selection{Rooms: []hub.Room{teamRoom}}, []*client{here, there}},
			"two rooms":         {hub.Selection{Rooms: []hub.Room{teamRoom, otherRoom}}, []*client{here, there, alone}},
			"a room but one":    {hub.Selection{Rooms: []hub.Room{teamRoom}, Except: []hub.Room{hub.SocketRoom("/chat", thereID)}}, []*client{here}},
			"everybody but two": {hub.Selection{Except: []hub.Room{hub.SocketRoom("/chat", hereID), hub.SocketRoom("/chat", thereID)}}, []*client{alone}},
			"one":               {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", hereID)}}, []*client{here}},
			"all but a room":    {hub.Selection{Except: []hub.Room{teamRoom}}, []*client{alone}},
		} {
			if got, complete := n.Emit(t.Context(), tt.to, ask("e")); got != len(tt.want) || !complete {
				t.Errorf("%s: Emit = %d, %v, want %d", name, got, complete, len(tt.want))
			}
			for _, c := range tt.want {
				c.Want(`42/chat,["e",{"n": 1.0}]`)
			}
		}
	}
	a.way.away.Store(true)
	if got, complete := a.Emit(t.Context(), hub.Selection{}, ask("e")); got != 1 || complete {
		t.Errorf("Emit with the other server away = %d, %v, want 1, false", got, complete)
	}
	here.Want(`42/chat,["e",{"n": 1.0}]`)
}

func TestClusterEmitWithAck(t *testing.T) {
	a, b := newPair(t)
	here, hereID := a.chat(t, "team")
	there, thereID := b.chat(t, "team")
	silent, _ := b.chat(t, "team")
	got := collect()
	type result struct {
		asked    int
		complete bool
	}
	results := make(chan result, 1)
	go func() {
		n, complete := a.EmitWithAck(t.Context(), hub.Selection{Rooms: []hub.Room{teamRoom}}, ask("q"), got.take)
		results <- result{n, complete}
	}()
	for _, c := range []*client{here, there, silent} {
		c.Want(`42/chat,1["q",{"n": 1.0}]`)
	}
	there.Send(`461-/chat,1[{"_placeholder":true,"num":0}]`)
	there.SendBinary([]byte("bytes"))
	here.Send(`43/chat,1[1.0]`)
	silent.WS.CloseNow() // and is not waited for
	if r := receive(t, results); r.asked != 3 || !r.complete {
		t.Errorf("EmitWithAck = %+v, want 3", r)
	}
	if len(got.answers) != 2 || got.answers[hereID] != "[1.0] []" || got.answers[thereID] != `[{"_placeholder":true,"num":0}] ["bytes"]` {
		t.Errorf("answers = %v", got.answers)
	}
	a.way.away.Store(true)
	if n, complete := a.EmitWithAck(t.Context(), hub.Selection{Rooms: []hub.Room{otherRoom}}, ask("q"), got.take); n != 0 || complete {
		t.Errorf("EmitWithAck with the other server away = %d, %v", n, complete)
	}
}

func TestClusterLibraryBroadcasts(t *testing.T) {
	a, b := newPair(t)
	ca, sa := a.join(t, "a", "b")
	cb, sb := b.join(t, "a")
	cx, sx := b.join(t, "b", "x")
	all := []*client{ca, cb, cx}
	fence := func() {
		t.Helper()
		a.lib.Emit("fence")
		for _, c := range all {
			c.Want(`42/lib,["fence"]`)
		}
	}
	check := func(packet string, clients ...*client) {
		t.Helper()
		for _, c := range clients {
			c.Want(packet)
		}
		fence()
	}
	a.lib.To("a", "b").Except("x").Emit("m", 1, []byte{7})
	for _, c := range []*client{ca, cb} {
		c.Want(`451-/lib,["m",1,{"_placeholder":true,"num":0}]`, "b\x07")
	}
	fence()
	sb.To("a").Emit("m", 2)
	check(`42/lib,["m",2]`, ca)
	sa.Broadcast().Emit("m", 3)
	check(`42/lib,["m",3]`, cb, cx)
	a.lib.To(sio.Room(sx.Id())).Emit("m", 4)
	check(`42/lib,["m",4]`, cx)
	a.lib.Except(sio.Room(sx.Id())).Emit("m", 5)
	check(`42/lib,["m",5]`, ca, cb)
	a.lib.Local().Emit("m", 6)
	check(`42/lib,["m",6]`, ca)
	for i := range 100 {
		a.lib.To("a").Emit("burst", i)
	}
	for i := range 100 {
		cb.Want(fmt.Sprintf(`42/lib,["burst",%d]`, i))
		ca.Want(fmt.Sprintf(`42/lib,["burst",%d]`, i))
	}
	fence()

	a.lib.In("a").SocketsJoin("c")
	b.lib.In("b").SocketsLeave("x")
	a.lib.In("c").Local().SocketsJoin("d")
	if got := sb.Rooms().Keys(); !slices.Contains(got, "c") || slices.Contains(got, "d") {
		t.Errorf("rooms on the other server = %v", got)
	}
	if got := sx.Rooms().Keys(); slices.Contains(got, "x") {
		t.Errorf("rooms = %v, and x was left", got)
	}
	if got := b.RoomsHere("/lib"); len(got) != 5 { // two ids, a, b, c
		t.Errorf("RoomsHere = %v", got)
	}
	if got, err := a.AllRooms(t.Context(), "/lib"); err != nil || len(got) != 7 || !slices.Contains(got, "d") { // an id and d more
		t.Errorf("AllRooms = %v, %v", got, err)
	}
	a.lib.In("b").Local().DisconnectSockets(false)
	ca.Want("41/lib,")
	a.lib.DisconnectSockets(true)
	for _, c := range []*client{cb, cx} {
		c.Want("41/lib,")
		c.WantClosed()
	}
	if a.lib.Adapter().ServerCount() != 2 {
		t.Error("the other server is not counted")
	}
}

func TestClusterLibraryBroadcastWithAcks(t *testing.T) {
	a, b := newPair(t)
	ca, _ := a.join(t)
	cb, sb := b.join(t)
	type result struct {
		args []any
		err  error
	}
	results := make(chan result, 4)
	ack := func(args []any, err error) { results <- result{args, err} }

	if err := a.lib.Timeout(patience).Emit("ask", "q", ack); err != nil {
		t.Fatal(err)
	}
	ca.Want(`42/lib,1["ask","q"]`)
	cb.Want(`42/lib,1["ask","q"]`)
	ca.Send(`43/lib,1[]`) // answers without or with many arguments count as one
	cb.Send(`461-/lib,1[{"_placeholder":true,"num":0},"more"]`)
	cb.SendBinary([]byte("bytes"))
	r := receive(t, results)
	if r.err != nil || len(r.args) != 2 || !slices.Contains(r.args, nil) {
		t.Errorf("answers = %v, %v, want two", r.args, r.err)
	}

	// One server alone is asked, and the others are not waited for.
	a.lib.Local().Timeout(patience).Emit("ask", ack)
	ca.Want(`42/lib,2["ask"]`)
	ca.Send(`43/lib,2["x"]`)
	if r := receive(t, results); r.err != nil || fmt.Sprint(r.args) != "[x]" {
		t.Errorf("answers = %v, %v, want x", r.args, r.err)
	}

	// A client does not answer: what came is there when time is over.
	a.lib.Timeout(200*time.Millisecond).Emit("ask", ack)
	ca.Want(`42/lib,3["ask"]`)
	cb.Want(`42/lib,2["ask"]`)
	cb.Send(`43/lib,2["y"]`)
	if r := receive(t, results); r.err == nil || fmt.Sprint(r.args) != "[y]" {
		t.Errorf("answers = %v, %v, want y and an error", r.args, r.err)
	}

	// A server does not answer.
	a.way.away.Store(true)
	a.lib.Timeout(200*time.Millisecond).Emit("ask", ack)
	ca.Want(`42/lib,4["ask"]`)
	ca.Send(`43/lib,4["z"]`)
	if r := receive(t, results); r.err == nil || fmt.Sprint(r.args) != "[z]" {
		t.Errorf("answers = %v, %v, want z and an error", r.args, r.err)
	}
	a.way.away.Store(false)

	// A remote socket answers as a socket does: with all its arguments.
	socket := fetch(t, a.lib.In(sio.Room(sb.Id())))[0]
	socket.Timeout(patience).Emit("you", ack)
	cb.Want(`42/lib,3["you"]`)
	cb.Send(`43/lib,3["a","b"]`)
	if r := receive(t, results); r.err != nil || fmt.Sprint(r.args) != "[a b]" {
		t.Errorf("answer = %v, %v, want a and b", r.args, r.err)
	}
	local := fetch(t, b.lib.In(sio.Room(sb.Id())))[0]
	local.Timeout(patience).Emit("you", ack)
	cb.Want(`42/lib,4["you"]`)
	cb.Send(`43/lib,4[]`)
	if r := receive(t, results); r.err != nil || len(r.args) != 0 {
		t.Errorf("answer = %v, %v, want nothing", r.args, r.err)
	}
	cb.Send("41/lib,")
	waitFor(t, func() bool { return b.lib.Sockets().Len() == 0 })
	for _, gone := range []*sio.RemoteSocket{socket, local} {
		gone.Timeout(10*time.Millisecond).Emit("you", ack)
		if r := receive(t, results); r.err == nil {
			t.Errorf("a socket that has gone answered %v", r.args)
		}
	}
}

// fetcher is an operator of the library.
type fetcher interface {
	FetchSockets() func(func([]*sio.RemoteSocket, error))
}

func fetch(t *testing.T, from fetcher) []*sio.RemoteSocket {
	t.Helper()
	done := make(chan []*sio.RemoteSocket, 1)
	from.FetchSockets()(func(sockets []*sio.RemoteSocket, err error) {
		if err != nil {
			t.Errorf("FetchSockets: %v", err)
		}
		done <- sockets
	})
	return receive(t, done)
}

func TestClusterRemoteSockets(t *testing.T) {
	a, b := newPair(t)
	a.join(t, "room")
	cb, sb := b.join(t, "room", "second")
	sb.SetData(map[string]any{"user": "bob"})
	sockets := fetch(t, a.lib.In("room"))
	if len(sockets) != 2 {
		t.Fatalf("%d sockets, want 2", len(sockets))
	}
	i := slices.IndexFunc(sockets, func(s *sio.RemoteSocket) bool { return s.Id() == sb.Id() })
	if i < 0 {
		t.Fatal("the other server's socket is missing")
	}
	remote := sockets[i]
	if data, _ := remote.Data().(map[string]any); data["user"] != "bob" {
		t.Errorf("data = %v", remote.Data())
	}
	if h := remote.Handshake(); h.Query["EIO"][0] != "4" || h.Headers["host"][0] == "" || h.Address != "127.0.0.1" || h.Issued == 0 || h.Auth == nil {
		t.Errorf("handshake = %+v", h)
	}
	if rooms := remote.Rooms().Keys(); len(rooms) != 3 {
		t.Errorf("rooms = %v", rooms)
	}
	remote.Emit("hi", 1)
	cb.Want(`42/lib,["hi",1]`)
	remote.Join("third")
	remote.Leave("second")
	if rooms := sb.Rooms().Keys(); !slices.Contains(rooms, "third") || slices.Contains(rooms, "second") {
		t.Errorf("rooms = %v", rooms)
	}
	if n := len(fetch(t, a.lib.Local())); n != 1 {
		t.Errorf("%d sockets are here, want 1", n)
	}
	remote.Disconnect(true)
	cb.Want("41/lib,")
	cb.WantClosed()

	a.way.away.Store(true)
	failed := make(chan error, 1)
	//lint:ignore SA1019 programs call it
	a.lib.FetchSockets()(func(sockets []*sio.RemoteSocket, err error) {
		if len(sockets) != 1 {
			t.Errorf("%d sockets with the other server away, want 1", len(sockets))
		}
		failed <- err
	})
	if err := receive(t, failed); !errors.Is(err, errAway) {
		t.Errorf("error = %v", err)
	}
}

func TestClusterServerSideEmit(t *testing.T) {
	a, b := newPair(t)
	heard := make(chan []any, 4)
	_ = b.lib.On("tell", func(args ...any) { heard <- args })
	_ = b.lib.On("ask", func(args ...any) {
		ack := args[len(args)-1].(sio.Ack)
		ack([]any{map[string]any{"pong": args[0]}, "ignored"}, nil)
		ack([]any{"twice"}, nil)
	})
	_ = b.lib.On("boom", func(...any) { panic("listener") })
	if err := a.lib.ServerSideEmit("tell", "x", map[string]any{"n": 1, "b": []byte{9}}); err != nil {
		t.Fatal(err)
	}
	args := receive(t, heard)
	if m, ok := args[1].(map[string]any); len(args) != 2 || args[0] != "x" || !ok || m["n"] != 1.0 || fmt.Sprintf("%T", m["b"]) != "*types.BytesBuffer" {
		t.Errorf("heard %v", args)
	}
	type result struct {
		args []any
		err  error
	}
	results := make(chan result, 2)
	err := a.lib.ServerSideEmitWithAck("ask", 5)(func(args []any, err error) { results <- result{args, err} })
	if err != nil {
		t.Fatal(err)
	}
	if r := receive(t, results); r.err != nil || fmt.Sprint(r.args) != "[map[pong:5]]" {
		t.Errorf("answers = %v, %v", r.args, r.err)
	}
	a.way.away.Store(true)
	_ = a.lib.ServerSideEmit("ask", 5, func(args []any, err error) { results <- result{args, err} })
	if r := receive(t, results); !errors.Is(r.err, errAway) {
		t.Errorf("error = %v", r.err)
	}
	if err := a.lib.ServerSideEmit("boom"); err != nil || b.Stats().Panics != 1 {
		t.Errorf("a listener that panics: %v, %d counted", err, b.Stats().Panics)
	}
	for _, args := range [][]json.RawMessage{nil, {json.RawMessage(`5`)}, {json.RawMessage(`"e"`), json.RawMessage(`1e999`)}} {
		b.ServerSideHere("/lib", args, nil, nil) // and nothing happens
	}
	b.ServerSideHere("/nowhere", []json.RawMessage{json.RawMessage(`"e"`)}, nil, nil)

	// A server without a cluster says so.
	s, _ := newTestServer(t, nil)
	if err := s.Library().Of("/", nil).ServerSideEmit("tell"); !errors.Is(err, socketio.ErrAlone) {
		t.Errorf("ServerSideEmit alone = %v", err)
	}
}
