package socketio

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

func TestSocketsHereTellNoSecrets(t *testing.T) {
	var s *Server
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{connect: func(p app.Peer, _ app.Handshake) error {
		for _, r := range []hub.Room{{Kind: hub.KindUser, Name: "42"}, {Kind: hub.KindLobby, Name: "42"},
			{Kind: hub.KindLobby, Name: "den"}, {Kind: hub.KindTopic, Name: "tap"}, hub.NamespaceRoom("/", "lib")} {
			s.hub.Join(p.Member(), r)
		}
		return nil
	}}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket&token=hush&code=hush&t=eyJhbGciOi.hush.x&a=1&a=2",
		&websocket.DialOptions{HTTPHeader: http.Header{"Cookie": {"id=hush"}, "Authorization": {"Bearer hush"}, "X-Auth-Thing": {"hush"}, "X-Plain": {"seen", "twice"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	c := &client{T: t, WS: ws}
	c.Read()
	c.Send(`40{"token":"hush"}`)
	sid := c.Read()[len(`40{"sid":"`):][:20]

	sockets := s.SocketsHere("/", hub.Selection{})
	if len(sockets) != 1 || sockets[0].ID != sid {
		t.Fatalf("sockets = %+v", sockets)
	}
	text, err := json.Marshal(sockets[0])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hush") {
		t.Errorf("a secret is told: %s", text)
	}
	var got struct {
		Handshake struct {
			Headers, Query, Auth map[string]any
			Time, Address, URL   string
			Issued               int64
			Secure, Xdomain      *bool
		}
		Rooms []string
		Data  map[string]any
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	h := got.Handshake
	if h.Headers["x-plain"] != "seen, twice" || h.Query["EIO"] != "4" || len(h.Query["a"].([]any)) != 2 || h.Auth == nil || got.Data == nil ||
		h.Address != "127.0.0.1" || h.Issued == 0 || h.Secure == nil || h.Xdomain == nil || !strings.HasSuffix(h.Time, "GMT+0000 (Coordinated Universal Time)") ||
		h.URL != "/socket.io/?EIO=4&a=1&a=2&transport=websocket" {
		t.Errorf("handshake = %s", text)
	}
	if want := []string{sid, "42", "den", "lib"}; !slices.Equal(got.Rooms, want) {
		t.Errorf("rooms = %v, want %v", got.Rooms, want)
	}
	rooms := s.RoomsHere("/")
	slices.Sort(got.Rooms)
	if !slices.Equal(rooms, got.Rooms) {
		t.Errorf("RoomsHere = %v, want %v", rooms, got.Rooms)
	}
	if s.SocketsHere("/nowhere", hub.Selection{}) != nil || s.RoomsHere("/nowhere") != nil {
		t.Error("there is somebody in a namespace that does not exist")
	}
}

func TestRoomsOfChatAreCalledAsInNode(t *testing.T) {
	var s *Server
	s, url := newTestServer(t, map[string]app.Handler{"/chat": functions{connect: func(p app.Peer, _ app.Handshake) error {
		for _, r := range []hub.Room{teamRoom, {Kind: hub.KindAccount, Name: "42"}, {Kind: hub.KindUser, Name: "7"}} {
			s.hub.Join(p.Member(), r)
		}
		return nil
	}}})
	_, sid := connect(t, url, "/chat")
	got := s.SocketsHere("/chat", hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", sid)}})
	if len(got) != 1 || !slices.Equal(got[0].Rooms, []string{sid, "team", "user:42"}) {
		t.Errorf("sockets = %+v", got)
	}
}
