package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/coder/websocket"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// A program adds a namespace to the product's through the library: it is served, and closed where tokens are required.
func TestLibraryOfAServer(t *testing.T) {
	cfg := localConfig()
	o := Options{Config: cfg, Log: quiet, Version: "test", Hub: hub.New()}
	for name, want := range map[string]string{"open": `40/mine,{"sid":`, "closed": `44/mine,{"message":"a token, please"}`} {
		if o.Config.RequireAuth = name == "closed"; o.Config.RequireAuth {
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), "Options.Guard") {
				t.Errorf("without a guard: %v", err)
			}
			o.Guard = func(app.Handler) app.Handler { return refusing{} }
		}
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Library().Of("/mine", nil).On("connection", func(args ...any) {
			_ = args[0].(*sio.Socket).Emit("welcome")
		})
		r := start(t, s)
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(r.url("/socket.io/?EIO=4&transport=websocket"), "http", "ws", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("40/mine,")); err != nil {
			t.Fatal(err)
		}
		for got := "0"; ; {
			_, data, err := ws.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got = string(data); !strings.HasPrefix(got, "0") {
				if !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s", name, got)
				}
				break
			}
		}
		ws.CloseNow()
	}
}

type refusing struct{}

func (refusing) Connect(app.Peer, app.Handshake) (app.Session, error) {
	return nil, errors.New("a token, please")
}
