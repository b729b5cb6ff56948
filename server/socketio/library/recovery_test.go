package library

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/socketio"
)

// returner is a client of /lib that keeps its pid and the last offset.
type returner struct {
	*client
	sid, pid, offset string
}

// come asks for /lib, and returns the events that it missed, without their offsets.
func (r *returner) come(c *client, auth string) (missed []string) {
	r.T.Helper()
	r.client = c
	if r.pid != "" {
		auth = fmt.Sprintf(`{"pid":%q,"offset":%q,%s`, r.pid, r.offset, strings.TrimPrefix(auth, "{"))
	}
	c.Send("40/lib," + auth)
	for {
		got := c.Read()
		if answer, ok := strings.CutPrefix(got, "40/lib,"); ok {
			var is struct{ Sid, Pid string }
			if err := json.Unmarshal([]byte(answer), &is); err != nil || is.Pid == "" {
				r.T.Fatalf("answer %q", got)
			}
			if r.pid != "" && (is.Sid != r.sid || is.Pid != r.pid) {
				r.T.Errorf("came back as %s, was %s", is.Sid, r.sid)
			}
			r.sid, r.pid = is.Sid, is.Pid
			return missed
		}
		missed = append(missed, r.take(got))
	}
}

// take notes the offset of an event, and returns the event without it.
func (r *returner) take(packet string) string {
	r.T.Helper()
	i := strings.LastIndex(packet, `,"`)
	if !strings.HasPrefix(packet, "42/lib,[") || len(packet)-i != recovery.OffsetLength+4 {
		r.T.Fatalf("%q has no offset", packet)
	}
	r.offset = packet[i+2 : len(packet)-2]
	return packet[len("42/lib,"):i] + "]"
}

func newRecoveringLibrary(t *testing.T) (*testServer, sio.Namespace, func() *client, chan *sio.Socket, chan string) {
	way := new(twin)
	way.away.Store(true)
	s, url := newTestServer(t, echo(), func(cfg *socketio.Config) {
		cfg.Cluster = way
		cfg.Recovery = &socketio.Recovery{Config: recovery.Config{Time: time.Minute, Bytes: 1 << 20},
			In: func(namespace string) bool { return namespace != "/other" }}
	})
	way.other = func() *testServer { return s }
	sockets, told := make(chan *sio.Socket, 16), make(chan string, 16)
	nsp := s.Library().Of("/lib", nil)
	s.Library().Of("/other", nil)
	nsp.On("connection", func(args ...any) {
		sock := args[0].(*sio.Socket)
		if !sock.Recovered() {
			sock.Join("room", "den")
			sock.SetData(map[string]any{"of": "before"})
		}
		sock.On("disconnect", func(args ...any) { told <- fmt.Sprint("disconnect ", args[0]) })
		sock.On("echo", func(args ...any) { args[len(args)-1].(sio.Ack)([]any{args[0], sock.Recovered()}, nil) })
		sockets <- sock
	})
	return s, nsp, func() *client { return dial(t, url) }, sockets, told
}

// TestLibraryRecovery: as in Node the program hears "disconnect" at once and "connection" again, of a Socket that is recovered.
func TestLibraryRecovery(t *testing.T) {
	s, nsp, dial, sockets, told := newRecoveringLibrary(t)
	middleware := make(chan string, 16)
	nsp.Use(func(sock *sio.Socket, next func(*sio.ExtendedError)) {
		middleware <- fmt.Sprint(sock.Recovered(), sock.Handshake().Auth)
		next(nil)
	})
	r := &returner{client: &client{T: t}}
	r.come(dial(), `{"a":1}`)
	first := receive(t, sockets)
	if first.Recovered() {
		t.Error("the first one is recovered")
	}
	if got := receive(t, middleware); got != "false map[a:1]" {
		t.Errorf("middleware saw %s", got)
	}
	nsp.Emit("one")
	if got := r.take(r.Read()); got != `["one"]` {
		t.Errorf("got %s", got)
	}
	r.Cut()
	if got := receive(t, told); got != "disconnect transport close" {
		t.Errorf("told %s", got)
	}
	if got := s.hub.Counts(); nsp.Sockets().Len() != 0 || len(nsp.Adapter().Sockets(nil).Keys()) != 0 {
		t.Errorf("one that is away is listed: %v", got)
	}
	nsp.Emit("hello1")
	nsp.To("room").Emit("hello2", true)
	nsp.To(sio.Room(r.sid)).Emit("hello3")
	nsp.Volatile().Emit("volatile")
	nsp.Except("den").Emit("not for it")
	missed := r.come(dial(), `{"a":2}`)
	if want := []string{`["hello1"]`, `["hello2",true]`, `["hello3"]`}; !slices.Equal(missed, want) {
		t.Errorf("missed %v, want %v", missed, want)
	}
	sock := receive(t, sockets)
	rooms := sock.Rooms().Keys()
	slices.Sort(rooms)
	if !sock.Recovered() || string(sock.Id()) != r.sid || sock == first || len(rooms) != 3 || !sock.Rooms().Has("room") || !sock.Rooms().Has("den") {
		t.Errorf("it came back as %s in %v, recovered %v", sock.Id(), rooms, sock.Recovered())
	}
	if got := fmt.Sprint(sock.Data(), sock.Handshake().Auth); got != "map[of:before] map[a:2]" {
		t.Errorf("data and auth are %s", got)
	}
	if len(middleware) != 0 {
		t.Errorf("middleware ran: %s", <-middleware)
	}
	r.Send(`42/lib,7["echo",5]`)
	r.Want(`43/lib,7[5,true]`)
	answers := make(chan []any, 1)
	sock.Emit("ask", func(args []any, _ error) { answers <- args })
	got := r.Read()
	id, ok := strings.CutSuffix(strings.TrimPrefix(got, "42/lib,"), `["ask"]`)
	if !ok { // one that asks has no offset
		t.Fatalf("asked %q", got)
	}
	r.Send("43/lib," + id + `["yes"]`)
	if got := receive(t, answers); fmt.Sprint(got) != "[yes]" {
		t.Errorf("answer %v", got)
	}
	way, _ := s.Cluster()
	emits := way.(*twin).emits.Load()
	sock.Emit("to it") // which is here: no other server is told
	nsp.To("den").Emit("to its room")
	if n := way.(*twin).emits.Load() - emits; n != 1 {
		t.Errorf("%d of 2 events went to other servers, want the one to a room", n)
	}
	for _, want := range []string{`["to it"]`, `["to its room"]`} {
		if got := r.take(r.Read()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}

	// The connection is still open when the client comes back, without having heard anything since.
	old := r.client
	if missed := r.come(dial(), `{"a":0}`); len(missed) != 0 {
		t.Errorf("missed %v", missed)
	}
	if got := receive(t, told); got != "disconnect transport close" {
		t.Errorf("told %s", got)
	}
	old.WantClosed()
	receive(t, sockets)

	// Middleware, when the program wants it.
	skip := new(sio.ConnectionStateRecovery)
	skip.SetSkipMiddlewares(false)
	s.Library().Opts().SetConnectionStateRecovery(skip)
	r.Cut()
	receive(t, told)
	nsp.Emit("again")
	if missed := r.come(dial(), `{"a":3}`); !slices.Equal(missed, []string{`["again"]`}) {
		t.Errorf("missed %v", missed)
	}
	if got := receive(t, middleware); got != "true map[a:3]" || !receive(t, sockets).Recovered() {
		t.Errorf("middleware saw %s", got)
	}
	nsp.Use(func(_ *sio.Socket, next func(*sio.ExtendedError)) { next(sio.NewExtendedError("no", nil)) })
	r.Cut()
	receive(t, told)
	c := dial()
	c.Send(fmt.Sprintf(`40/lib,{"pid":%q}`, r.pid))
	c.Want(`44/lib,{"message":"no"}`)
	if members := s.RecoveryStore().Stats().Away; members != 0 || s.hub.Count(hub.NamespaceRoom("/lib", "room")) != 0 {
		t.Error("one whom middleware refused is kept")
	}
	c.Send("40/other,")
	if got := c.Read(); strings.Contains(got, "pid") {
		t.Errorf("%s, where there is no recovery", got)
	}
}

// TestLibraryDisconnectIsNoCut: who is sent away does not come back, also while it is away.
func TestLibraryDisconnectIsNoCut(t *testing.T) {
	s, nsp, dial, sockets, told := newRecoveringLibrary(t)
	r := &returner{client: &client{T: t}}
	r.come(dial(), "{}")
	receive(t, sockets).Disconnect(false)
	r.Want("41/lib,")
	receive(t, told)
	away := &returner{client: &client{T: t}}
	away.come(dial(), "{}")
	receive(t, sockets)
	away.Cut()
	receive(t, told)
	nsp.To("room").DisconnectSockets(false)
	for _, o := range []*returner{r, away} {
		again := &returner{client: &client{T: t}}
		c := dial()
		c.Send(fmt.Sprintf(`40/lib,{"pid":%q}`, o.pid))
		again.client = c
		if got := c.Read(); strings.Contains(got, o.sid) {
			t.Errorf("came back: %s", got)
		}
		if receive(t, sockets).Recovered() {
			t.Error("it is recovered")
		}
	}
	if got := s.RecoveryStore().Stats(); got.Away != 0 || got.Failed["unknown"] != 2 {
		t.Errorf("stats %+v", got)
	}
}
