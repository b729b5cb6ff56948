package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/auth"
)

const apiTestSecret = "0123456789abcdef0123456789abcdef"

// dialWS opens a websocket of the server.
func (r *running) dialWS(t *testing.T, path string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(r.url, "http", "ws", 1)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return ws
}

// readUntil reads messages up to one with a beginning.
func readUntil(t *testing.T, ws *websocket.Conn, prefix string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, data, err := ws.Read(ctx)
		if err != nil {
			t.Fatalf("no message %s: %v", prefix, err)
		}
		if strings.HasPrefix(string(data), prefix) {
			return string(data)
		}
	}
}

func write(t *testing.T, ws *websocket.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
}

// api asks the API and returns the answer.
func (r *running) api(t *testing.T, method, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", "the key of this test")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestAPIKnowsPeopleOfEveryDoor has one user on /chat with a token, and one on /ws who only says a name.
func TestAPIKnowsPeopleOfEveryDoor(t *testing.T) {
	r := runServe(t, "All settings", "API_KEY=the key of this test", "JWT_SECRET="+apiTestSecret)
	token, err := auth.Mint(apiTestSecret, auth.Claims{UserID: "ann", Name: "Ann"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	chat := r.dialWS(t, "/socket.io/?EIO=4&transport=websocket")
	write(t, chat, `40/chat,{"token":"`+token+`"}`)
	readUntil(t, chat, "40/chat,")
	write(t, chat, `42/chat,1["join_room","team/1"]`)
	readUntil(t, chat, `43/chat,1[{"ok":true}`)
	plain := r.dialWS(t, "/ws")
	write(t, plain, `{"type":"authenticate","userId":7}`, `{"type":"join","room":"team/1"}`, `{"type":"ping"}`)
	readUntil(t, plain, `{"type":"pong"`)

	want := `{"room":"team/1","users":[{"kind":"room","userId":"ann","name":"Ann","connections":1,"verified":true},` +
		`{"kind":"room","userId":7,"name":"7","connections":1,"verified":false}],"nameless":0}`
	if got := r.api(t, "GET", "/api/rooms/team%2F1/users"); got != want {
		t.Errorf("users = %s, want %s", got, want)
	}
	online := regexp.MustCompile(`^\{"userId":"ann","online":true,"where":\[\{"door":"chat","clientId":"[^"]+","since":"20[^"]+","rooms":\["team/1"\],"verified":true\}\]\}$`)
	if got := r.api(t, "GET", "/api/users/ann"); !online.MatchString(got) {
		t.Errorf("user = %s", got)
	}
	if printed, said := r.emit(t, "the key of this test", "--channel", "room:team/1", "notice", `{"x":1}`); printed != `{"ok":true,"delivered":2}`+"\n" {
		t.Errorf("publish printed %s, said %s", printed, said)
	}
	readUntil(t, chat, `42/chat,["notice",{"x":1}]`)
	readUntil(t, plain, `{"type":"notice","data":{"x":1}}`)
	if got := r.api(t, "POST", "/api/users/ann/disconnect"); got != `{"ok":true,"disconnected":1}` {
		t.Errorf("disconnect = %s", got)
	}
	readUntil(t, chat, "41/chat,")
	readUntil(t, plain, `{"type":"user_left","userId":"ann"`)
	if got := r.api(t, "GET", "/api/users/ann"); got != `{"userId":"ann","online":false,"where":[]}` {
		t.Errorf("user who was disconnected = %s", got)
	}
}
