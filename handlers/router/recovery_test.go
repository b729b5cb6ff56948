package router_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"signalbox/handlers/gate"
	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/socketio"
)

// comeBack asks for /game, and returns what came before the answer.
func comeBack(t *testing.T, c *testkit.Wire, auth string) (sid, pid string, missed []string) {
	t.Helper()
	c.Send("40/game," + auth)
	for {
		got := c.Read()
		payload, ok := strings.CutPrefix(got, "40/game,")
		if !ok {
			missed = append(missed, got)
			continue
		}
		var answer struct{ Sid, Pid string }
		if err := json.Unmarshal([]byte(payload), &answer); err != nil || answer.Pid == "" {
			t.Fatalf("answer to CONNECT = %q", got)
		}
		return answer.Sid, answer.Pid, missed
	}
}

// TestRecoveryIsNoNewConnect: the backend is not asked again, and goes on with the socket where it was.
func TestRecoveryIsNoNewConnect(t *testing.T) {
	house := testkit.New(t)
	h := house.Hub
	asked, left := make(chan string, 9), make(chan string, 9)
	r := router.New(router.Options{
		Hub: h, Token: gate.Token, Verify: house.Gate.Verify, Log: slog.New(slog.DiscardHandler),
	})
	r.Route(router.RankHook, backend{
		connect: func(_ context.Context, c *router.Connect) (*router.Welcome, error) {
			asked <- c.Socket.User()
			return &router.Welcome{Rooms: []string{"r"}, Data: json.RawMessage(`"kept"`)}, nil
		},
		event: func(_ context.Context, e *router.Event) (*router.Result, error) {
			answer := fmt.Sprintf(`"%d %s %s"`, e.Seq, e.Socket.User(), e.Socket.Data())
			return &router.Result{Ack: []json.RawMessage{json.RawMessage(strings.ReplaceAll(answer, `"kept"`, "kept"))}}, nil
		},
		left: func(s *router.Socket, reason string) { left <- reason },
	}, patterns(t, "/game:*")...)
	url := testkit.Serve(t, h, func(cfg *socketio.Config) {
		cfg.Handlers, cfg.Others = map[string]app.Handler{}, r.Others
		cfg.Recovery = &socketio.Recovery{Config: recovery.Config{Time: time.Minute, Bytes: 1 << 20}}
	}, func() { r.Close(t.Context()) })

	ann := house.Token("ann")
	c := testkit.Dial(t, url)
	sid, pid, _ := comeBack(t, c, fmt.Sprintf(`{"token":%q}`, ann))
	c.Send(`42/game,1["x"]`)
	c.Want(`43/game,1["1 ann kept"]`)
	c.Cut()
	h.Send(hub.RoomNamed("/game", "r"), &hub.Message{Namespace: "/game", Event: "missed"})
	for _, token := range []string{house.Token("bob"), "bad"} {
		c := testkit.Dial(t, url)
		if got, _, missed := comeBack(t, c, fmt.Sprintf(`{"token":%q,"pid":%q}`, token, pid)); got == sid || len(missed) > 0 {
			t.Errorf("with the token %s it came back as %s, %v", token, got, missed)
		}
		c.Send("41/game,")
		<-left
	}
	c = testkit.Dial(t, url)
	again, samePID, missed := comeBack(t, c, fmt.Sprintf(`{"token":%q,"pid":%q}`, ann, pid))
	if again != sid || samePID != pid || len(missed) != 1 || !strings.HasPrefix(missed[0], `42/game,["missed",`) {
		t.Errorf("came back as %s, %v; was %s", again, missed, sid)
	}
	c.Send(`42/game,1["x"]`)
	c.Want(`43/game,1["2 ann kept"]`)
	c.Send("41/game,")
	if reason := <-left; reason != "client namespace disconnect" {
		t.Errorf("left: %s", reason)
	}
	close(asked)
	var users []string
	for user := range asked {
		users = append(users, user)
	}
	if got := strings.Join(users, " "); got != "ann bob " {
		t.Errorf("asked about %q, want ann, bob and nobody", got)
	}
}
