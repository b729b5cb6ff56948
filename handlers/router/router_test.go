package router_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is one made of functions.
type backend struct {
	connect func(ctx context.Context, c *router.Connect) (*router.Welcome, error)
	event   func(ctx context.Context, e *router.Event) (*router.Result, error)
	left    func(s *router.Socket, reason string)
}

func (b backend) Connect(ctx context.Context, c *router.Connect) (*router.Welcome, error) {
	if b.connect == nil {
		return new(router.Welcome), nil
	}
	return b.connect(ctx, c)
}

func (b backend) Event(ctx context.Context, e *router.Event) (*router.Result, error) {
	if b.event == nil {
		return &router.Result{Ack: e.Args}, nil
	}
	return b.event(ctx, e)
}

func (b backend) Remote() bool { return true }

func (b backend) Left(s *router.Socket, reason string) {
	if b.left != nil {
		b.left(s, reason)
	}
}

// inner is a handler of the product's own.
type inner struct{}

func (inner) Connect(app.Peer, app.Handshake) (app.Session, error) { return inner{}, nil }
func (inner) Event(e *app.Event)                                   { e.Ack.Send("built in", e.Name) }
func (inner) Close(string)                                         {}

func patterns(t testing.TB, text string) []router.Pattern {
	t.Helper()
	list, err := router.ParsePatterns(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func newRouter(h *hub.Hub) *router.Router {
	return router.New(router.Options{Hub: h, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// serve serves a router with / built in.
func serve(t testing.TB, h *hub.Hub, r *router.Router) string {
	return testkit.Serve(t, h, func(cfg *socketio.Config) {
		cfg.Handlers = map[string]app.Handler{"/": r.Before("/", inner{}), "/chat": r.Before("/chat", inner{})}
		cfg.Others = r.Others
	}, func() { r.Close(context.Background()) })
}

func TestWhoOwnsAnEvent(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	named := func(name string) backend {
		return backend{event: func(context.Context, *router.Event) (*router.Result, error) {
			return &router.Result{Ack: []json.RawMessage{json.RawMessage(fmt.Sprintf("%q", name))}}, nil
		}}
	}
	r.Route(router.RankHook, named("hook"), patterns(t, "/game:*,/:order,/shop-*:*")...)
	r.Route(router.RankWorker, named("worker"), patterns(t, "/game:move*,/shop-*:*")...)
	r.Route(router.RankGo, named("go"), patterns(t, "/game:move-king")...)
	url := serve(t, h, r)
	for _, tc := range []struct{ namespace, event, want string }{
		{"/", "order", `["hook"]`}, {"/", "orders", `["built in","orders"]`}, {"/", "connection", `["built in","connection"]`},
		{"/game", "say", `["hook"]`}, {"/game", "move", `["worker"]`}, {"/game", "move-king", `["go"]`},
		{"/shop-7", "buy", `["worker"]`}, {"/chat", "order", `["built in","order"]`},
	} {
		c := testkit.Dial(t, url)
		c.Join(tc.namespace, "")
		ns := ""
		if tc.namespace != "/" {
			ns = tc.namespace + ","
		}
		c.Send(fmt.Sprintf(`42%s1[%q]`, ns, tc.event))
		c.Want("43" + ns + "1" + tc.want)
	}
	for _, nobody := range []string{"/other", "/backend", "/admin"} {
		c := testkit.Dial(t, url)
		c.Send("40" + nobody + ",")
		c.Want("44" + nobody + `,{"message":"Invalid namespace"}`)
	}
}

func TestPatternsThatCannotBe(t *testing.T) {
	for _, bad := range []string{"/game", "game:*", "/game:", "/backend:x", "/admin:*", "/game:disconnect"} {
		if _, err := router.ParsePatterns(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if list := patterns(t, " /game:* , /:a:b,"); len(list) != 2 || list[1].Event != "a:b" {
		t.Errorf("got %v", list)
	}
}

// TestConnectIsAsked: where a pattern names the namespace, but for the namespaces that are built in only where one names
// connect.
func TestConnectIsAsked(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	var mu sync.Mutex
	var asked []string
	r.Route(router.RankHook, backend{connect: func(_ context.Context, c *router.Connect) (*router.Welcome, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, c.Socket.Peer.Namespace())
		return nil, &app.ConnectError{Message: "no", Data: json.RawMessage(`{"code":1}`)}
	}}, patterns(t, "/game:move,/:*,/chat:connect")...)
	url := serve(t, h, r)
	c := testkit.Dial(t, url)
	c.Join("/", "")
	for _, namespace := range []string{"/game", "/chat"} {
		c.Send("40" + namespace + ",")
		c.Want("44" + namespace + `,{"data":{"code":1},"message":"no"}`)
	}
	if want := []string{"/game", "/chat"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestResultIsCarriedOut(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	results := map[string]string{
		"join":  `{"join":["tea","user:7"],"leave":["milk"],"data":{"n":1},"ack":[1,{"a":2}]}`,
		"emit":  `{"emit":[{"event":"self","args":[1]},{"to":["tea"],"except":["SID"],"event":"room","args":[2]},{"to":"*","event":"all"},{"users":[7],"event":"user"}]}`,
		"fail":  `{"error":"nope","ack":[1]}`,
		"bytes": `{"ack":[{"_placeholder":true,"num":0}],"attachments":["AQI="]}`,
		"leave": `{"disconnect":true,"ack":["bye"]}`,
	}
	r.Route(router.RankHook, backend{
		connect: func(_ context.Context, c *router.Connect) (*router.Welcome, error) {
			return router.DecodeWelcome([]byte(`{"rooms":["milk"],"user":5,"data":{"n":0},"emit":[{"event":"first"}]}`))
		},
		event: func(_ context.Context, e *router.Event) (*router.Result, error) {
			if e.Name == "data" {
				return &router.Result{Ack: []json.RawMessage{e.Socket.Data(), e.AppendEnvelope(nil)}}, nil
			}
			return router.DecodeResult([]byte(strings.ReplaceAll(results[e.Name], "SID", e.Socket.Peer.ID())))
		},
	}, patterns(t, "/game:*")...)
	url := serve(t, h, r)
	a, b := testkit.Dial(t, url), testkit.Dial(t, url)
	sid := a.Join("/game", "")
	a.Want(`42/game,["first"]`)
	b.Join("/game", "")
	b.Want(`42/game,["first"]`)
	a.Send(`42/game,1["join"]`, `42/game,2["data"]`)
	a.Want(`43/game,1[1,{"a":2}]`)
	a.Want(`43/game,2[{"n":1},{"type":"event","id":"` + sid + `.2","ns":"/game","socket":"` + sid +
		`","user":"5","seq":2,"event":"data","args":[],"ack":true,"data":{"n":1}}]`)
	b.Send(`42/game,["join"]`)
	b.Send(`42/game,3["emit"]`)
	b.Want(`42/game,["self",1]`, `42/game,["all"]`, `42/game,["user"]`, `43/game,3[]`)
	a.Want(`42/game,["room",2]`, `42/game,["all"]`, `42/game,["user"]`)
	a.Send(`42/game,4["fail"]`, `42/game,5["bytes"]`)
	a.Want(`43/game,4[{"ok":false,"error":"nope"}]`, `461-/game,5[{"_placeholder":true,"num":0}]`, "b\x01\x02")
	a.Send(`42/game,6["leave"]`)
	a.Want(`43/game,6["bye"]`, "41/game,")
}

// TestStayEnds when the backend said that it does.
func TestStayEnds(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	r.Route(router.RankHook, backend{connect: func(context.Context, *router.Connect) (*router.Welcome, error) {
		return router.DecodeWelcome(fmt.Appendf(nil, `{"expiresAt":%f}`, float64(time.Now().UnixMilli()+100)/1000))
	}}, patterns(t, "/game:*")...)
	c := testkit.Dial(t, serve(t, h, r))
	c.Join("/game", "")
	c.Want("41/game,")
}

// TestQueueHoldsTheReaderOnlyWhenItIsFull: acks, heartbeats and other namespaces go on, and nothing overtakes.
func TestQueueHoldsTheReaderOnlyWhenItIsFull(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	release := make(chan struct{})
	var mu sync.Mutex
	var got []string
	r.Route(router.RankHook, backend{event: func(_ context.Context, e *router.Event) (*router.Result, error) {
		<-release
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%d %s", e.Seq, e.Args[0]))
		return &router.Result{Ack: e.Args}, nil
	}}, patterns(t, "/game:*")...)
	url := serve(t, h, r)
	c := testkit.Dial(t, url)
	c.Join("/", "")
	c.Join("/game", "")
	const events = 64 + 1 // one is with the backend
	var want []string
	for i := range events {
		c.Send(fmt.Sprintf(`42/game,["x",%d]`, i))
		want = append(want, fmt.Sprintf("%d %d", i+1, i))
	}
	c.Send(`421["other"]`)
	c.Want(`431["built in","other"]`)
	c.Send(`42/game,7["x","last"]`, `422["behind it"]`) // the queue may be full: this waits, and what is behind it
	close(release)
	want = append(want, fmt.Sprintf(`%d "last"`, events+1))
	answers := []string{c.Read(), c.Read()}
	slices.Sort(answers)
	if !slices.Equal(answers, []string{`43/game,7["last"]`, `432["built in","behind it"]`}) {
		t.Errorf("answers %q", answers)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("handed over %q, want %q", got, want)
	}
}

// TestLeftComesBehindTheLastEvent, also for a client that is gone when its queue is full.
func TestLeftComesBehindTheLastEvent(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	release, left, peers := make(chan struct{}), make(chan string, 1), make(chan app.Peer, 1)
	var mu sync.Mutex
	handled := 0
	r.Route(router.RankHook, backend{
		connect: func(_ context.Context, c *router.Connect) (*router.Welcome, error) {
			peers <- c.Socket.Peer
			return new(router.Welcome), nil
		},
		event: func(context.Context, *router.Event) (*router.Result, error) {
			<-release
			mu.Lock()
			defer mu.Unlock()
			handled++
			return new(router.Result), nil
		},
		left: func(_ *router.Socket, reason string) {
			mu.Lock()
			defer mu.Unlock()
			left <- fmt.Sprintf("%s after %d", reason, handled)
		},
	}, patterns(t, "/game:*")...)
	url := serve(t, h, r)
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	for range 200 {
		c.Send(`42/game,["x"]`)
	}
	for r.Stats().Full == 0 {
		time.Sleep(time.Millisecond) // until the reader waits
	}
	go (<-peers).Disconnect(true) // no call waits for a handler
	for h.Count(hub.EverybodyRoom("/game")) > 0 {
		time.Sleep(time.Millisecond) // the reader has heard of it
	}
	close(release)
	if got := <-left; got != "server namespace disconnect after 65" {
		t.Errorf("left: %s", got)
	}
}

// TestBackendThatIsAway: an event's callback hears so, and a client that asks to come in is cut, not refused.
func TestBackendThatIsAway(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	away := true
	r.Route(router.RankHook, backend{
		connect: func(context.Context, *router.Connect) (*router.Welcome, error) {
			if away {
				return nil, fmt.Errorf("no route: %w", router.ErrUnavailable)
			}
			return new(router.Welcome), nil
		},
		event: func(_ context.Context, e *router.Event) (*router.Result, error) {
			if e.Name == "panic" {
				panic("handler")
			}
			return nil, errors.New("secret detail")
		},
	}, patterns(t, "/game:*")...)
	url := serve(t, h, r)
	c := testkit.Dial(t, url)
	c.Send("40/game,")
	if got, err := c.TryRead(); err == nil {
		t.Errorf("read %q, want the end of the connection", got)
	}
	away = false
	c = testkit.Dial(t, url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`, `42/game,2["panic"]`)
	c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`, `43/game,2[{"ok":false,"error":"internal error"}]`)
	st := r.Stats()
	if st.Events != 2 || st.Unavailable != 1 || st.Panics != 1 || st.TurnedAway != 1 {
		t.Errorf("stats %+v", st)
	}
}

// TestEventThatWasNotSent has no number, so that the backend sees no gap.
func TestEventThatWasNotSent(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	r.Route(router.RankHook, backend{event: func(_ context.Context, e *router.Event) (*router.Result, error) {
		if e.Name != "x" {
			return nil, fmt.Errorf("%w: %w", router.ErrUnavailable, &router.Unanswered{Reason: "no", Unsent: e.Name == "unsent"})
		}
		return &router.Result{Ack: []json.RawMessage{json.RawMessage(fmt.Sprint(e.Seq))}}, nil
	}}, patterns(t, "/game:*")...)
	c := testkit.Dial(t, serve(t, h, r))
	c.Join("/game", "")
	c.Send(`42/game,["unsent"]`, `42/game,1["x"]`, `42/game,["lost"]`, `42/game,["unsent"]`, `42/game,2["x"]`)
	c.Want(`43/game,1[1]`, `43/game,2[3]`)
}

// TestHandlerMayWaitForItsOwnClient: the queue is not the reader, so the client's answer comes while its event is handled.
func TestHandlerMayWaitForItsOwnClient(t *testing.T) {
	h := hub.New()
	r := newRouter(h)
	var s *socketio.Server
	r.Route(router.RankGo, backend{event: func(ctx context.Context, e *router.Event) (*router.Result, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		var answer json.RawMessage
		s.EmitWithAck(ctx, hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/game", e.Socket.Peer.ID())}},
			&hub.Message{Namespace: "/game", Event: "sure?"}, func(_ string, args []json.RawMessage, _ [][]byte) { answer = args[0] })
		return &router.Result{Ack: []json.RawMessage{slices.Clone(answer)}}, nil
	}}, patterns(t, "/game:*")...)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	url := testkit.Serve(t, h, func(cfg *socketio.Config) { cfg.Others, cfg.Log = r.Others, log },
		func() { r.Close(context.Background()) }, func(made *socketio.Server) { s = made })
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	c.Send(`42/game,1["buy"]`)
	ask := c.Read()
	id, ok := strings.CutPrefix(ask, "42/game,")
	id, _, _ = strings.Cut(id, "[")
	if !ok {
		t.Fatalf("read %q", ask)
	}
	c.Send(`43/game,` + id + `["yes"]`)
	c.Want(`43/game,1["yes"]`)
}
