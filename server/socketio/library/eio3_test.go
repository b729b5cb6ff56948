package library

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/recovery"
	"signalbox/server/socketio"
)

// TestEIO3InLibraryNamespaces has a client of Engine.IO 3 beside one of today in a namespace of the library, which recovers the
// second alone.
func TestEIO3InLibraryNamespaces(t *testing.T) {
	s, url := newTestServer(t, nil, func(cfg *socketio.Config) {
		cfg.Engine.AllowEIO3 = true
		cfg.Recovery = &socketio.Recovery{Config: recovery.Config{Time: time.Minute, Bytes: 1 << 20}}
	})
	nsp, arrived, left := s.Library().Of("/lib", nil), make(chan string, 4), make(chan string, 4)
	nsp.Use(func(sock *sio.Socket, next func(*sio.ExtendedError)) {
		if auth, _ := sock.Handshake().Auth.(map[string]any); auth["token"] != "good" {
			next(sio.NewExtendedError("no entry", nil))
			return
		}
		next(nil)
	})
	nsp.On("connection", func(args ...any) {
		sock := args[0].(*sio.Socket)
		sock.Join("room")
		sock.On("echo", func(args ...any) { args[len(args)-1].(sio.Ack)([]any{args[0]}, nil) })
		sock.On("disconnect", func(...any) { left <- string(sock.Id()) })
		arrived <- string(sock.Id())
	})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=3&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	old := &client{T: t, WS: ws}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(old.Read()[1:]), &open); err != nil {
		t.Fatal(errors.New("open"), err)
	}
	old.Want("40") // of "/"
	old.Send("40/lib,")
	old.Want(`44/lib,"no entry"`)
	old.Send("40/lib?token=good,")
	old.Want("40/lib,")
	if got, want := receive(t, arrived), "/lib#"+open.SID; got != want {
		t.Errorf("the socket is %s, want %s", got, want)
	}
	old.Send(`42/lib,7["echo","\u00e9"]`)
	old.Want("43/lib,7[\"\u00e9\"]")

	young := dial(t, url)
	young.Join("/lib", `{"token":"good"}`)
	receive(t, arrived)
	nsp.To("room").Emit("news", "text", []byte{1, 2})
	old.Want(`451-/lib,["news","text",{"_placeholder":true,"num":0}]`, "b\x04\x01\x02")
	if got := young.Read(); !strings.HasPrefix(got, `451-/lib,["news","text",{"_placeholder":true,"num":0},"`) {
		t.Errorf("who may come back got %s, want an offset", got)
	}
	old.Cut()
	if got, want := receive(t, left), "/lib#"+open.SID; got != want {
		t.Errorf("%s left, want %s, at once", got, want)
	}
}
