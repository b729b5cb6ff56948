package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/handlers/broker"
	"signalbox/handlers/presence"
	"signalbox/handlers/publish"
	"signalbox/handlers/userlist"
	"signalbox/server/api"
	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/store"
)

// These tests put the API over a real server and talk to it with real clients.

const (
	key      = "a key that nobody knows"
	patience = 10 * time.Second
)

var quiet = slog.New(slog.DiscardHandler)

// chatStub lets everybody into /chat, as the user and into the room that the CONNECT payload names.
type chatStub struct{ hub *hub.Hub }

func (h chatStub) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	var who struct{ User, Room string }
	if err := json.Unmarshal(hs.Auth, &who); err != nil {
		return nil, err
	}
	h.hub.Join(p.Member(), hub.Room{Kind: hub.KindAccount, Name: who.User})
	h.hub.Join(p.Member(), hub.Room{Kind: hub.KindRoom, Name: who.Room})
	return idle{}, nil
}

type idle struct{}

func (idle) Event(*app.Event) {}
func (idle) Close(string)     {}

// house is a server with the broker and the chat on "/", a stub on /chat, and the API.
type house struct {
	t   *testing.T
	url string
}

func open(t *testing.T) *house {
	t.Helper()
	h, users := hub.New(), store.NewMemory()
	chat := userlist.New(userlist.Options{Hub: h, Users: users, Log: quiet})
	root := broker.New(h, func(p app.Peer, hs app.Handshake) broker.Second { return chat.Open(p, hs) }, quiet)
	s := socketio.New(socketio.Config{Hub: h, Log: quiet, Conn: conn.Config{Log: quiet},
		Handlers: map[string]app.Handler{"/": root, "/chat": chatStub{h}}})
	mux := http.NewServeMux()
	mux.Handle(socketio.Path, s)
	mux.Handle(api.Path, api.New(api.Config{Key: key, MaxBodyBytes: 10_000, Publisher: publish.New(h, hub.Alone, nil), Emitter: s,
		Presence: presence.New(h, hub.Alone, "test"), Tickets: store.NewMemoryTickets(0, 0), Lobbies: users, Log: quiet}))
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		web.Close()
		chat.Close()
	})
	return &house{t, web.URL}
}

// call asks the API and returns the answer's body.
func (h *house) call(method, path, body string) string {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s %s = %d %s", method, path, body, res.StatusCode, answer)
	}
	return string(answer)
}

func (h *house) want(answer, method, path, body string) {
	h.t.Helper()
	if got := h.call(method, path, body); got != answer {
		h.t.Errorf("%s %s %s = %s, want %s", method, path, body, got, answer)
	}
}

// client is one Socket.IO client on a websocket of its own.
type client struct {
	t   *testing.T
	ws  *websocket.Conn
	sid string
}

// connect connects a namespace; auth is its CONNECT payload.
func (h *house) connect(namespace, auth string) *client {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(h.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { ws.CloseNow() })
	c := &client{t: h.t, ws: ws}
	c.read() // the handshake
	head := "40"
	if namespace != "/" {
		head += namespace + ","
	}
	c.send(head + auth)
	var answer struct{ Sid string }
	if got := c.read(); json.Unmarshal([]byte(strings.TrimPrefix(got, head)), &answer) != nil || answer.Sid == "" {
		h.t.Fatalf("answer to CONNECT = %s", got)
	}
	c.sid = answer.Sid
	return c
}

func (c *client) send(packets ...string) {
	c.t.Helper()
	for _, p := range packets {
		if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(p)); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *client) read() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, data, err := c.ws.Read(ctx)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(data)
}

func (c *client) want(packets ...string) {
	c.t.Helper()
	for _, want := range packets {
		if got := c.read(); got != want {
			c.t.Fatalf("read %s, want %s", got, want)
		}
	}
}

// user returns a client of the broker who has joined.
func (h *house) user(id string) *client {
	h.t.Helper()
	c := h.connect("/", "")
	c.send(`420["join",{"senderUserId":` + id + `,"recipientUserId":-1}]`)
	c.want(`430[{"ok":true}]`)
	return c
}

func TestEmitToUsersOfTheBroker(t *testing.T) {
	h := open(t)
	phone, laptop, other := h.user(`42`), h.user(`"42"`), h.user(`7`)
	h.want(`{"ok":true,"delivered":2}`, "POST", "/api/emit", `{"users":[42],"event":"hi","args":[{"b":1.0, "a":2}]}`)
	phone.want(`42["hi",{"b":1.0, "a":2}]`)
	laptop.want(`42["hi",{"b":1.0, "a":2}]`)
	h.want(`{"ok":true,"delivered":2}`, "POST", "/api/emit", `{"event":"all","except":["`+phone.sid+`"]}`)
	laptop.want(`42["all"]`)
	other.want(`42["all"]`)
	h.want(`{"ok":true,"delivered":1}`, "POST", "/api/emit", `{"event":"all","except":{"users":["42"]}}`)
	other.want(`42["all"]`)
	h.want(`{"ok":true,"delivered":0}`, "POST", "/api/emit", `{"rooms":["42"],"event":"hi"}`) // a chat room is another address

	if got := h.call("GET", "/api/users/42", ""); !strings.HasPrefix(got, `{"userId":"42","online":true,"where":[{"door":"broker","clientId":"`) ||
		!strings.Contains(got, phone.sid) || !strings.Contains(got, laptop.sid) {
		t.Errorf("user = %s", got)
	}
	h.want(`{"userId":"8","online":false,"where":[]}`, "GET", "/api/users/8", "")
	h.want(`{"ok":true,"disconnected":2}`, "POST", "/api/users/42/disconnect", "")
	phone.want("41")
	laptop.want("41")
	phone.send("40") // the connection is there still
	if got := phone.read(); !strings.HasPrefix(got, `40{"sid":`) {
		t.Errorf("CONNECT after a disconnect = %s", got)
	}
	h.want(`{"ok":true,"disconnected":1}`, "POST", "/api/users/7/disconnect", `{"close":true}`)
	other.want("41")
	if _, _, err := other.ws.Read(t.Context()); err == nil {
		t.Error("the connection is still open after close")
	}
}

func TestEmitToTheChatRooms(t *testing.T) {
	h := open(t)
	bob, eve := h.connect("/", ""), h.connect("/", "")
	bob.send(`420["login",{"name":"bob","room":"den"}]`)
	users := `{"id":"` + bob.sid + `","name":"bob","room":"den"}`
	bob.want(`42["users",[`+users+`]]`, `430[{"user":`+users+`}]`)
	h.want(`{"ok":true,"delivered":1}`, "POST", "/api/emit", `{"rooms":["den"],"event":"closing"}`)
	bob.want(`42["closing"]`)
	h.want(`{"rooms":[{"kind":"lobby","namespace":"/","room":"den","members":1}]}`, "GET", "/api/rooms", "")
	h.want(`{"room":"den","users":[{"kind":"lobby","clientId":"`+bob.sid+`","name":"bob","connections":1,"verified":false}],"nameless":0}`,
		"GET", "/api/rooms/den/users", "")
	eve.send(`420["ping"]`)
	eve.want(`430["` + eve.sid + `"]`) // and nothing before it
}

func TestEmitToTheNamespaceChat(t *testing.T) {
	h := open(t)
	ann := h.connect("/chat", `{"user":"42","room":"team/1"}`)
	bob := h.connect("/chat", `{"user":"7","room":"team/1"}`)
	root := h.user("42")
	h.want(`{"ok":true,"delivered":2}`, "POST", "/api/emit", `{"namespace":"/chat","rooms":["team/1"],"users":["42"],"event":"n"}`)
	ann.want(`42/chat,["n"]`)
	bob.want(`42/chat,["n"]`)
	h.want(`{"ok":true,"delivered":1}`, "POST", "/api/emit", `{"namespace":"/chat","rooms":["team/1"],"except":{"users":["7"]},"event":"n"}`)
	ann.want(`42/chat,["n"]`)
	h.want(`{"ok":true,"delivered":2}`, "POST", "/api/publish/room:team%2F1", `{"type":"notice","data":{"x": 1}}`)
	ann.want(`42/chat,["notice",{"x": 1}]`)
	bob.want(`42/chat,["notice",{"x": 1}]`)
	h.want(`{"ok":true,"delivered":1}`, "POST", "/api/publish/user:7", `{"type":"order"}`)
	bob.want(`42/chat,["order",{"type":"order"}]`)
	h.want(`{"ok":true,"delivered":0}`, "POST", "/api/emit", `{"namespace":"/none","event":"n"}`)
	root.send(`420["ping"]`)
	root.want(`430["` + root.sid + `"]`)
}

func TestEmitCollectsAnswers(t *testing.T) {
	h := open(t)
	ann, bob := h.user("1"), h.user("2")
	type result struct{ body string }
	answered := make(chan result, 1)
	ask := func(body string) {
		go func() { // awaited by who reads answered
			req, _ := http.NewRequestWithContext(t.Context(), "POST", h.url+"/api/emit", strings.NewReader(body))
			req.Header.Set("X-API-Key", key)
			res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
			if err != nil {
				answered <- result{err.Error()}
				return
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			answered <- result{string(text)}
		}()
	}
	ask(`{"event":"version?","ack":true,"timeoutMs":10000}`)
	ann.want(`421["version?"]`)
	bob.want(`421["version?"]`)
	ann.send(`431[{"v" :1.0}]`)
	bob.send("41") // leaves without an answer, and nobody waits for the time to be over
	if got, want := (<-answered).body, fmt.Sprintf(`{"ok":true,"delivered":2,"answers":[{"sid":"%s","args":[{"v" :1.0}]}],"missing":1}`, ann.sid); got != want {
		t.Errorf("answers = %s, want %s", got, want)
	}
	ask(`{"event":"silence","ack":true,"timeoutMs":20}`)
	ann.want(`422["silence"]`)
	if got, want := (<-answered).body, `{"ok":true,"delivered":1,"answers":[],"missing":1}`; got != want {
		t.Errorf("answers = %s, want %s", got, want)
	}
	ann.send(`432["late"]`, `420["ping"]`)
	ann.want(`430["` + ann.sid + `"]`)
}

// BenchmarkPublishLive is publishes over kept connections through the real publisher to one client, which reads them.
func BenchmarkPublishLive(b *testing.B) {
	h := hub.New()
	var got atomic.Int64
	m := hub.NewMember("m", counter{&got})
	h.Join(m, hub.Room{Kind: hub.KindAccount, Name: "42"})
	s := socketio.New(socketio.Config{Hub: h, Log: quiet, Conn: conn.Config{Log: quiet}})
	defer s.Shutdown(context.Background())
	web := httptest.NewServer(api.New(api.Config{Key: key, MaxBodyBytes: 10_000, Publisher: publish.New(h, hub.Alone, nil), Emitter: s,
		Presence: presence.New(h, hub.Alone, "test"), Tickets: store.NewMemoryTickets(0, 0), Lobbies: store.NewMemory(), Log: quiet}))
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest("POST", web.URL+"/api/publish/user:42", strings.NewReader(`{"type":"order","data":{"id":7}}`))
		req.Header.Set("X-API-Key", key)
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
	if got.Load() < int64(b.N) {
		b.Errorf("%d of %d came", got.Load(), b.N)
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Deliver(m *hub.Message) bool {
	c.n.Add(1)
	return m.Encoded(hub.FormText, hub.EncodeText) != nil
}
