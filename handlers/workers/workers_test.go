package workers_test

import (
	"context"
	"encoding/json"
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
	"signalbox/handlers/workers"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	key      = "0123456789abcdef0123456789abcdef"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// node is a server whose namespaces /game and /shop-* are the workers'.
type node struct {
	url     string
	workers *workers.Workers
	router  *router.Router
}

// serve serves one node; on is where its hub and its place among others come from, nil: it is alone.
func serve(t testing.TB, o router.OutsideOptions, on *testkit.CloudNode, h *hub.Hub, adjust ...func(*workers.Options)) *node {
	t.Helper()
	o.Log = quiet
	allowed, err := router.ParsePatterns("/game:*,/shop-*:*")
	if err != nil {
		t.Fatal(err)
	}
	wo := workers.Options{OutsideOptions: o, Key: key, Allowed: allowed}
	if on != nil {
		wo.Nodes = on
	}
	for _, change := range adjust {
		change(&wo)
	}
	n := &node{workers: workers.New(wo), router: router.New(router.Options{Hub: h, Log: quiet})}
	n.router.Route(router.RankWorker, n.workers, allowed...)
	n.workers.SetCall(func(_ context.Context, name string, body json.RawMessage) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"called":%q,"body":%s}`, name, body))
	})
	n.url = testkit.Serve(t, h, func(cfg *socketio.Config) {
		cfg.Handlers = map[string]app.Handler{workers.Namespace: n.workers.Handler()}
		cfg.Others = n.router.Others
	}, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		n.router.Close(ctx)
		n.workers.Close(ctx)
	})
	return n
}

// alone serves a node without others.
func alone(t testing.TB, o router.OutsideOptions) *node { return serve(t, o, nil, hub.New()) }

// envelope is what a worker is told of one event.
type envelope struct {
	Type, ID, NS, Socket, User, Event, Reason string
	Seq                                       int
	Args                                      []json.RawMessage
	Ack                                       bool
}

// worker is a backend that answers each event with what its function says; "" is no answer.
type worker struct {
	*testkit.Wire
	id   string
	done sync.WaitGroup
}

// start connects a worker and has it claim patterns. It ends with its connection.
func start(t testing.TB, n *node, answer func(envelope) string, patterns ...string) *worker {
	t.Helper()
	w := connect(t, n)
	claim(t, w, patterns...)
	w.done.Go(func() {
		for {
			packet, err := w.TryRead()
			if err != nil {
				return
			}
			rest, ok := strings.CutPrefix(packet, "42/backend,")
			id, body, _ := strings.Cut(rest, "[")
			var args []json.RawMessage
			var told struct{ Events []envelope }
			if !ok || json.Unmarshal([]byte("["+body), &args) != nil || string(args[0]) != `"events"` || json.Unmarshal(args[1], &told) != nil {
				continue
			}
			var results []string
			for _, e := range told.Events {
				results = append(results, answer(e))
			}
			if !slices.Contains(results, "") {
				w.TrySend(fmt.Sprintf(`43/backend,%s[{"results":[%s]}]`, id, strings.Join(results, ",")))
			}
		}
	})
	t.Cleanup(func() { w.Cut(); w.done.Wait() })
	return w
}

func connect(t testing.TB, n *node) *worker {
	t.Helper()
	w := &worker{Wire: testkit.Dial(t, n.url)}
	w.id = w.Join("/backend", `{"key":"`+key+`"}`)
	return w
}

func claim(t testing.TB, w *worker, patterns ...string) {
	t.Helper()
	list, _ := json.Marshal(patterns)
	w.Send(fmt.Sprintf(`42/backend,1["handle",{"events":%s}]`, list))
	w.Want(`43/backend,1[{"ok":true}]`)
}

func welcome(e envelope) string {
	if e.Type == "connect" {
		return `{"user":"7"}`
	}
	return fmt.Sprintf(`{"ack":[%d]}`, e.Seq)
}

// knows waits until a node has so many workers of other nodes.
func knows(t testing.TB, n *node, elsewhere int) {
	t.Helper()
	await(t, n, func(s workers.Stats) bool { return s.Elsewhere == elsewhere })
}

func await(t testing.TB, n *node, is func(workers.Stats) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if !n.workers.Await(ctx, is) {
		t.Fatalf("it stays as it is: %+v", n.workers.Stats())
	}
}

// TestWorkerIsABackend: it lets clients in, answers their events with all that hooks may answer, and hears who has left.
func TestWorkerIsABackend(t *testing.T) {
	n := alone(t, router.OutsideOptions{Notices: router.NewNotices(router.NoticeOptions{Log: quiet}), Headers: []string{"host"}})
	told := make(chan envelope, 10)
	start(t, n, func(e envelope) string {
		told <- e
		switch {
		case e.Type == "connect" && e.NS == "/shop-closed":
			return `{"refuse":{"message":"closed","data":{"until":8}}}`
		case e.Type == "connect":
			return `{"user":"42","rooms":["tea"],"emit":[{"event":"hi"}]}`
		case e.Event == "pic":
			return `{"ack":[{"_placeholder":true,"num":0}],"attachments":["AQI="]}`
		}
		return `{"emit":[{"to":"*","event":"moved","args":["e4"]}],"ack":[{"ok":1}]}`
	}, "/game:*", "/shop-*:*")
	c := testkit.Dial(t, n.url)
	sid := c.Join("/game", `{"token":"t"}`)
	c.Want(`42/game,["hi"]`)
	c.Send(`42/game,7["move","e4"]`)
	c.Want(`42/game,["moved","e4"]`, `43/game,7[{"ok":1}]`)
	c.Send(`451-/game,8["pic",{"_placeholder":true,"num":0}]`)
	c.SendBinary([]byte{1, 2})
	c.Want(`461-/game,8[{"_placeholder":true,"num":0}]`, "b\x01\x02")
	c.Send("40/shop-closed,")
	c.Want(`44/shop-closed,{"data":{"until":8},"message":"closed"}`)
	c.Send("41/game,")
	<-told
	if e := <-told; e.Event != "move" || e.Seq != 1 || e.User != "42" || !e.Ack {
		t.Errorf("told %+v", e)
	}
	<-told
	<-told
	if last := <-told; last.Type != "disconnect" || last.Socket != sid || last.User != "42" || last.Reason != "client namespace disconnect" {
		t.Errorf("told %+v, want a disconnect of %s", last, sid)
	}
}

func TestNonsense(t *testing.T) {
	n := alone(t, router.OutsideOptions{})
	w := connect(t, n)
	claim(t, w, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Send("40/game,")
	ask := func() string {
		t.Helper()
		id, _, _ := strings.Cut(strings.TrimPrefix(w.Read(), "42/backend,"), "[")
		return id
	}
	w.Send("43/backend," + ask() + `[{"results":[{}]}]`)
	c.Read()
	for _, nonsense := range []string{`[]`, `[null]`, `["x"]`, `[{}]`, `[{"results":[]}]`, `[{"results":{}}]`, `[{"results":[7]}]`,
		`[{"results":[{"emit":[{"event":"disconnect"}]}]}]`, `[{"results":[{"ack":[{"_placeholder":true,"num":0}]}]}]`,
		`[{"results":[{"data":"` + strings.Repeat("x", 17<<10) + `"}]}]`} {
		c.Send(`42/game,1["x"]`)
		id := ask()
		w.Send("43/backend,9999[1]", "43/backend,"+id+nonsense, "43/backend,"+id+`[{"results":[{"ack":["too late"]}]}]`)
		c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	}
	c.Send(`42/game,1["x"]`)
	id := ask()
	w.Send("461-/backend," + id + `[{"results":[{"ack":[{"_placeholder":true,"num":0}]}]}]`)
	w.SendBinary([]byte{1})
	c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	c.Send(`42/game,2["x"]`)
	w.Send("43/backend," + ask() + `[{"results":[{"ack":["fine"]},{"more":1}]}]`)
	c.Want(`43/game,2["fine"]`)
}
