package events_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signalbox/handlers/events"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asker is a server that is made after the namespace.
type asker struct{ *socketio.Server }

func serve(t *testing.T, made func(n *events.Namespace)) string {
	t.Helper()
	h := hub.New()
	ask := new(asker)
	n := events.New("/game", events.Options{Hub: h, Asker: ask, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	made(n)
	return testkit.Serve(t, h, func(cfg *socketio.Config) { cfg.Handlers = map[string]app.Handler{"/game": n} },
		func() { n.Close(context.Background()) }, func(s *socketio.Server) { ask.Server = s })
}

func TestTypedEvents(t *testing.T) {
	left := make(chan string, 1)
	url := serve(t, func(n *events.Namespace) {
		n.OnConnect(func(_ context.Context, c *events.Connecting) error {
			if string(c.Auth) == `{"name":""}` {
				return &app.ConnectError{Message: "no name", Data: 1}
			}
			c.SetUser("ann")
			c.Join("board")
			return c.SetData(map[string]int{"moves": 0})
		})
		events.On(n, "move", func(_ context.Context, s *events.Socket, m Move) (Moved, error) {
			var data struct{ Moves int }
			if err := s.Data(&data); err != nil {
				return Moved{}, err
			}
			data.Moves++
			if err := s.SetData(data); err != nil {
				return Moved{}, err
			}
			if data.Moves > 1 {
				return Moved{}, events.Errorf("one move is enough")
			}
			return Moved{By: s.User(), Move: m}, n.ToUser("ann").Emit("moved", m.To, []byte{1})
		})
		events.On(n, "all", func(_ context.Context, _ *events.Socket, args events.Args) (int, error) { return len(args), nil })
		events.On(n, "nothing", func(context.Context, *events.Socket, events.None) (events.None, error) { return events.None{}, nil })
		events.On(n, "secret", func(context.Context, *events.Socket, events.Args) (events.None, error) {
			return events.None{}, errors.New("password is 1234")
		})
		events.On(n, "panic", func(context.Context, *events.Socket, events.Args) (events.None, error) { panic("x") })
		n.OnDisconnect(func(s *events.Socket, reason string) { left <- s.User() + " " + reason })
	})
	c := testkit.Dial(t, url)
	c.Send(`40/game,{"name":""}`)
	c.Want(`44/game,{"data":1,"message":"no name"}`)
	c.Join("/game", "")
	c.Send(`42/game,1["move",{"From":"e2","To":"e4"}]`)
	c.Want(`451-/game,["moved","e4",{"_placeholder":true,"num":0}]`, "b\x01", `43/game,1[{"by":"ann","From":"e2","To":"e4"}]`)
	for _, tc := range [][2]string{
		{`["move",{}]`, `[{"ok":false,"error":"one move is enough"}]`},
		{`["move","e4"]`, `[{"ok":false,"error":"invalid argument: `},
		{`["move"]`, `[{"ok":false,"error":"invalid argument: there is none"}]`},
		{`["all",1,2,3]`, `[3]`}, {`["nothing"]`, `[]`}, {`["what"]`, `[{"ok":false,"error":"unknown event"}]`},
		{`["secret"]`, `[{"ok":false,"error":"internal error"}]`}, {`["panic"]`, `[{"ok":false,"error":"internal error"}]`},
		{`["all"]`, `[0]`},
	} {
		c.Send(`42/game,2` + tc[0])
		if got := c.Read(); !strings.HasPrefix(got, `43/game,2`+tc[1]) {
			t.Errorf("%s is answered with %s, want %s", tc[0], got, tc[1])
		}
	}
	c.Send("41/game,")
	if got := <-left; got != "ann client namespace disconnect" {
		t.Errorf("left: %s", got)
	}
}

// TestHandlerAsksItsOwnClient: a function waits for an answer of the client whose event it handles, and stops when it has left.
func TestHandlerAsksItsOwnClient(t *testing.T) {
	ended := make(chan error, 1)
	url := serve(t, func(n *events.Namespace) {
		events.On(n, "buy", func(ctx context.Context, s *events.Socket, _ events.Args) (string, error) {
			var sure bool
			if err := s.Ask(ctx, &sure, "sure?"); err != nil || !sure {
				return "no", err
			}
			return "bought", nil
		})
		events.On(n, "wait", func(ctx context.Context, _ *events.Socket, _ events.Args) (events.None, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return events.None{}, nil
		})
	})
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	c.Send(`42/game,7["buy"]`)
	ask := c.Read()
	id := strings.TrimSuffix(strings.TrimPrefix(ask, "42/game,"), `["sure?"]`)
	c.Send(`43/game,` + id + `[true]`)
	c.Want(`43/game,7["bought"]`)
	c.Send(`42/game,["wait"]`, "41/game,")
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the context ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the context did not end with the client")
	}
}
