package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

func allowEIO3(cfg *Config) { cfg.Engine.AllowEIO3 = true }

// dial3 begins a session of Engine.IO 3 and returns its id.
func dial3(t testing.TB, url, query string) (*client, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=3&transport=websocket"+query, nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	c := &client{T: t, WS: ws}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(c.Read()[1:]), &open); err != nil {
		t.Fatal(err)
	}
	return c, open.SID
}

func TestEIO3Namespaces(t *testing.T) {
	type arrival struct{ namespace, id, auth string }
	arrived := make(chan arrival, 8)
	note := functions{connect: func(p app.Peer, hs app.Handshake) error {
		arrived <- arrival{p.Namespace(), p.ID(), string(hs.Auth)}
		return nil
	}}
	refuses := functions{connect: func(_ app.Peer, hs app.Handshake) error {
		if strings.Contains(string(hs.Auth), "data") {
			return &app.ConnectError{Message: "not you", Data: map[string]int{"code": 7}}
		}
		return errors.New("not you")
	}}
	_, url := newTestServer(t, map[string]app.Handler{"/": note, "/chat": note, "/closed": refuses}, allowEIO3)
	c, sid := dial3(t, url, "&token=t%20t")
	c.Want("40")
	if got := receive(t, arrived); got != (arrival{"/", sid, `{"token":"t t"}`}) {
		t.Errorf("in / arrived %v", got)
	}
	c.Send("40/chat?token=a&x=1,")
	c.Want("40/chat,")
	if got := receive(t, arrived); got != (arrival{"/chat", "/chat#" + sid, `{"token":"a","x":"1"}`}) {
		t.Errorf("in /chat arrived %v", got)
	}
	c.Send(`42/chat,1["a"]`, `421["b"]`, "40/closed", "40/closed?data=1", "40/nope,", "41/chat,", "40/chat")
	c.Want(`43/chat,1["a"]`, `431["b"]`, `44/closed,"not you"`, `44/closed,{"code":7}`, `44/nope,{"message":"Invalid namespace"}`, "40/chat,")
	if got := receive(t, arrived); got != (arrival{"/chat", "/chat#" + sid, `{}`}) {
		t.Errorf("in /chat arrived again %v", got)
	}
	c.Send("40") // it is there already
	c.WantClosed()

	c, _ = dial3(t, url, "&token=a&token=b")
	c.Want("40")
	if got := receive(t, arrived); got.auth != "{}" {
		t.Errorf("of two tokens %s is taken", got.auth)
	}
	c.Send("40/chat?a=" + strings.Repeat("x", 17<<10) + ",")
	c.WantClosed()
}

func TestEIO3RootIsRefused(t *testing.T) {
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(app.Peer, app.Handshake) error { return errors.New("not you") },
	}, "/chat": functions{}}, allowEIO3)
	c, _ := dial3(t, url, "")
	c.Want(`44"not you"`)
	c.Send("40/chat,")
	c.Want("40/chat,")
	c.Send(`42["a"]`)
	c.WantClosed()
}

// TestEIO3SharesRooms: what is sent to a room reaches clients of both versions, by the id of the socket too.
func TestEIO3SharesRooms(t *testing.T) {
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{}, "/chat": functions{}}, allowEIO3)
	old, sid := dial3(t, url, "")
	old.Want("40")
	old.Send("40/chat,")
	old.Want("40/chat,")
	young, _ := connect(t, url, "/chat")
	msg := &hub.Message{Namespace: "/chat", Event: "photo", Args: []json.RawMessage{json.RawMessage(`{"_placeholder":true,"num":0}`)}, Attachments: [][]byte{{1, 2}}}
	if n := s.hub.SendSelectionHere(hub.Selection{Rooms: []hub.Room{hub.EverybodyRoom("/chat")}}, msg); n != 2 {
		t.Errorf("sent to %d", n)
	}
	const text = `451-/chat,["photo",{"_placeholder":true,"num":0}]`
	old.Want(text, "b\x04\x01\x02")
	young.Want(text, "b\x01\x02")
	if n := s.hub.Send(hub.NamespaceRoom("/chat", "/chat#"+sid), &hub.Message{Namespace: "/chat", Event: "you"}); n != 1 {
		t.Errorf("sent to %d sockets", n)
	}
	old.Want(`42/chat,["you"]`)
	old.SendBinary([]byte{4, 1}) // nothing waits for it
	old.WantClosed()
}

// TestEIO3DoesNotComeBackAndDisturbsNobodyWhoDoes: with recovery it gets no offsets, which others in its room do.
func TestEIO3DoesNotComeBackAndDisturbsNobodyWhoDoes(t *testing.T) {
	room := hub.Room{Kind: hub.KindUser, Name: "room"}
	var s *Server
	left := make(chan string, 4)
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error { s.hub.Join(p.Member(), room); return nil },
		closed:  func(p app.Peer, _ string) { left <- p.ID() },
	}}, allowEIO3, func(cfg *Config) { cfg.Recovery = recovering() })
	old, sid := dial3(t, url, "")
	old.Want("40")
	young := &returner{namespace: "/"}
	young.open(dial(t, url))
	send := func(n int) { s.hub.Send(room, event(n)) }
	send(1)
	young.wantNext(`["n",1]`)
	offset := young.offset
	if offset == "" {
		t.Error("who speaks version 4 has no offset")
	}
	old.Want(`42["n",1]`)
	young.cut()
	send(2)
	old.Want(`42["n",2]`)
	wantMissed(t, young.open(dial(t, url)), `["n",2]`)
	if !young.recovered {
		t.Error("who speaks version 4 is not recovered")
	}
	old.WS.CloseNow()
	if got := receive(t, left); got != sid {
		t.Errorf("%s left, want %s at once", got, sid)
	}
}

// TestEIO3ComesAgainAfterItsFormerStay: its id is the same again, so the handler has to have heard of the end before.
func TestEIO3ComesAgainAfterItsFormerStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers, closing, proceed := make(chan app.Peer, 2), make(chan struct{}, 2), make(chan struct{})
		handlers := map[string]app.Handler{"/": functions{}, "/chat": functions{
			connect: func(p app.Peer, _ app.Handshake) error { peers <- p; return nil },
			closed:  func(app.Peer, string) { closing <- struct{}{}; <-proceed },
		}}
		cfg := Config{}
		allowEIO3(&cfg)
		inBubble(t, handlers, cfg, func(_ *Server, dial func() *client) {
			c := dial()
			c.Want("40")
			c.Send("40/chat,")
			c.Want("40/chat,")
			go receive(t, peers).Disconnect(false)
			receive(t, closing)
			c.Want("41/chat,")
			c.Send("40/chat,")
			synctest.Wait()
			if len(peers) > 0 {
				t.Error("it is let in while its former stay ends")
			}
			close(proceed)
			c.Want("40/chat,")
		})
	})
}
