package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/config"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/auth"
)

// building is a whole server with its doors.
type building struct {
	*running
	t     *testing.T
	doors *testkit.House
}

func openBuilding(t *testing.T, change ...func(*config.Config)) *building {
	t.Helper()
	cfg := localConfig()
	for _, f := range change {
		f(&cfg)
	}
	d := testkit.New(t, func(o *testkit.Options) {
		o.RequireAuth, o.PingInterval, o.Log = cfg.RequireAuth, cfg.AuthPingInterval, quiet
	})
	s, err := New(Options{
		Config: cfg, Log: quiet, Version: "test", Hub: d.Hub,
		Handlers: map[string]app.Handler{"/chat": d.Rooms.Chat()}, Guard: d.Gate.Require,
		Doors: &Doors{
			Rooms: d.Rooms.Text(), Tap: d.Tap.Text(), Demo: d.Demo, Notification: d.Notification,
			Events: d.Tap.Stream(), UserEvents: d.UserStreams, RoomEvents: d.Rooms.Watch(),
			Verifier: d.Verifier, Tickets: d.Tickets,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &building{running: start(t, s), t: t, doors: d}
}

func (b *building) token(user string, change ...func(*auth.Claims)) string {
	b.t.Helper()
	c := auth.Claims{UserID: user}
	for _, f := range change {
		f(&c)
	}
	token, err := auth.Mint(testkit.HouseSecret, c, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// socket is a plain WebSocket.
type socket struct {
	t  *testing.T
	ws *websocket.Conn
}

func (b *building) dial(path string, headers ...string) (*socket, int) {
	b.t.Helper()
	header := make(http.Header)
	for i := 0; i+1 < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	ws, res, err := websocket.Dial(ctx, b.url(path), &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		if res == nil {
			b.t.Fatalf("dial %s: %v", path, err)
		}
		return nil, res.StatusCode
	}
	b.t.Cleanup(func() { ws.CloseNow() })
	return &socket{b.t, ws}, http.StatusSwitchingProtocols
}

func (b *building) open(path string) *socket {
	b.t.Helper()
	s, status := b.dial(path)
	if s == nil {
		b.t.Fatalf("dial %s: %d", path, status)
	}
	return s
}

func (s *socket) send(text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	if err := s.ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) read() (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, data, err := s.ws.Read(ctx)
	return string(data), err
}

// want reads one message, which a pattern fits.
func (s *socket) want(pattern string) {
	s.t.Helper()
	got, err := s.read()
	if err != nil || !regexp.MustCompile("^"+pattern+"$").MatchString(got) {
		s.t.Fatalf("got %q, %v; want %s", got, err, pattern)
	}
}

// feed is a stream of events.
type feed struct {
	t   *testing.T
	res *http.Response
	in  *bufio.Reader
}

func (b *building) feed(path string, headers ...string) *feed {
	b.t.Helper()
	res, err := noRedirect.Do(request(b.t, http.MethodGet, b.url(path), headers...))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { res.Body.Close() })
	return &feed{b.t, res, bufio.NewReader(res.Body)}
}

func (f *feed) want(pattern string) {
	f.t.Helper()
	var record strings.Builder
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			f.t.Fatalf("after %q: %v; want %s", record.String(), err, pattern)
		}
		if line == "\n" {
			break
		}
		record.WriteString(line)
	}
	if got := strings.TrimSuffix(record.String(), "\n"); !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		f.t.Fatalf("got %q, want %s", got, pattern)
	}
}

func TestDoorsWhoMayComeIn(t *testing.T) {
	open := openBuilding(t)
	closed := openBuilding(t, func(c *config.Config) { c.RequireAuth, c.JWTSecret = true, testkit.HouseSecret })
	plain, tap := open.token("ann"), open.token("ann", func(c *auth.Claims) { c.Scope = "tap" })
	team := open.token("ann", func(c *auth.Claims) { c.Rooms = []string{"team/*"} })
	for _, tt := range []struct {
		path         string
		open, closed int // statuses without and with REQUIRE_AUTH
	}{
		{"/ws", 101, 401},
		{"/ws?token=x", 401, 401},
		{"/ws?token=" + plain, 101, 101},
		{"/tap", 101, 401},
		{"/tap?token=" + plain, 101, 403},
		{"/tap?token=" + tap, 101, 101},
		{"/demo", 401, 401},
		{"/demo?token=" + plain, 401, 401},
		{"/notification?token=0123456789abcdef01234567", 401, 401},
		{"/", 401, 401},
		{"/healthz", 401, 401},
		{"/events", 401, 401},
		{"/nothing", 401, 401},
		{"/ws/", 401, 401},
		{"/socket.io/?EIO=4&transport=websocket", 101, 101},
	} {
		for b, want := range map[*building]int{open: tt.open, closed: tt.closed} {
			s, status := b.dial(tt.path)
			if status != want {
				t.Errorf("upgrade %.20s: %d, want %d", tt.path, status, want)
			}
			if s != nil {
				s.ws.CloseNow()
			}
		}
	}
	for _, tt := range []struct {
		path         string
		open, closed int
	}{
		{"/events", 200, 401},
		{"/events?token=" + plain, 200, 403},
		{"/events?token=" + tap, 200, 200},
		{"/events/user/ann", 401, 401},
		{"/events/user/ann?token=" + plain, 200, 200},
		{"/events/user/bob?token=" + plain, 403, 403},
		{"/events/user/?token=" + plain, 403, 403},
		{"/events/room/tea", 401, 401},
		{"/events/room/tea?token=" + plain, 200, 200},
		{"/events/room/tea?token=" + team, 403, 403},
		{"/events/room/team%2Fx?token=" + team, 200, 200},
		{"/events/room/team/x?token=" + team, 200, 200},
		{"/ws", 426, 426},
		{"/demo", 426, 426},
		{"/api/auth/token/ws", 401, 401},
	} {
		for b, want := range map[*building]int{open: tt.open, closed: tt.closed} {
			f := b.feed(tt.path)
			if f.res.StatusCode != want {
				t.Errorf("GET %.30s: %d, want %d", tt.path, f.res.StatusCode, want)
			}
			f.res.Body.Close()
		}
	}
}

func TestDoorsAndOrigins(t *testing.T) {
	b := openBuilding(t, func(c *config.Config) { c.AllowedOrigins = config.Origins{"https://app.example.com"} })
	if _, status := b.dial("/ws", "Origin", "https://evil.example"); status != 403 {
		t.Errorf("a page of another origin: %d, want 403", status)
	}
	if _, status := b.dial("/ws", "Origin", "https://app.example.com"); status != 101 {
		t.Errorf("a page of our own: %d, want 101", status)
	}
	f := b.feed("/events", "Origin", "https://app.example.com")
	if got := f.res.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example.com" {
		t.Errorf("CORS of a stream: %q", got)
	}
	f = b.feed("/events", "Origin", "https://evil.example")
	if got := f.res.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("CORS of a stream for another origin: %q", got)
	}
}

// One message at each door, heard at all the others that are meant to.
func TestDoorsMeet(t *testing.T) {
	b := openBuilding(t)
	events, watch := b.feed("/events"), b.feed("/events/room/tea?token="+b.token("cat"))
	events.want(`event: connected\ndata: {"time":\d{13}}`)
	tap := b.open("/tap")
	tap.send("{\"connectionId\":\"7\",\n\"message\":\"hi\"}")
	events.want(`id: \w+-1\ndata: {"connectionId":"7","message":"hi"}`)
	tap.ws.CloseNow()
	events.want(`id: (\w+)-2\ndata: {"close":{"connectionId":"7"}}`)

	one, two := b.open("/ws"), b.open("/ws?token="+b.token("bob"))
	for _, s := range []*socket{one, two} {
		s.want(`{"type":"connected","clientId":"[0-9a-f-]{36}"}`)
		s.send(`{"type":"join","room":"tea"}`)
		s.send(`{"type":"ping"}`)
		s.want(`{"type":"pong"}`)
	}
	one.want(`{"type":"user_joined","userId":"bob","room":"tea"}`)
	watch.want(`event: user_joined\ndata: {}`)
	watch.want(`event: user_joined\ndata: {"userId":"bob","userName":"bob"}`)
	two.send(`{"type":"message","room":"tea","content":"hello"}`)
	one.want(`{"type":"message","from":"bob","content":"hello","timestamp":\d{13}}`)
	watch.want(`event: message\ndata: {"id":"[0-9a-f-]{36}","roomId":"tea","userId":"bob","userName":"bob","content":"hello","timestamp":"[^"]*Z"}`)

	chat := b.open("/socket.io/?EIO=4&transport=websocket")
	chat.want(`0{.*}`)
	chat.send(`40/chat,{"token":"` + b.token("ann") + `"}`)
	chat.want(`40/chat,{.*}`)
	chat.send(`42/chat,1["join_room","tea"]`)
	chat.want(`42/chat,\["room_history",{"roomId":"tea","messages":\[{"id":.*"content":"hello".*}\]}\]`)
	chat.want(`43/chat,1\[{"ok":true}\]`)
	one.want(`{"type":"user_joined","userId":"ann","room":"tea"}`)
	watch.want(`event: user_joined\ndata: {"userId":"ann","userName":"ann"}`)
	one.send(`{"type":"message","room":"tea","content":"welcome"}`)
	chat.want(`42/chat,\["message",{"id":"[^"]*","roomId":"tea","content":"welcome","timestamp":"[^"]*"}\]`)

	own := b.feed("/events/user/ann", "Authorization", "Bearer "+b.token("ann"))
	if n, _, _, err := b.doors.Publisher.Publish(t.Context(), "user:ann", []byte(`{"type":"order","data":{"n":1}}`)); n != 2 || err != nil {
		t.Errorf("Publish = %d, %v; want 2", n, err)
	}
	own.want(`event: order\ndata: {"n":1}`)
	chat.want(`42/chat,\["order",{"n":1}\]`)
}

func TestDoorsTickets(t *testing.T) {
	b := openBuilding(t)
	res, body := do(t, request(t, http.MethodGet, b.url("/api/auth/token/ws"), "Authorization", "Bearer "+b.token("ann")))
	var answer struct {
		Status int
		Data   struct{ Token string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || res.StatusCode != 200 || answer.Status != 1 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	demo := b.open("/demo?token=" + answer.Data.Token)
	demo.want("connection established")
	demo.send(`{"type":"jwt","token":"` + b.token("ann") + `"}`)
	demo.want("authentication successfull")
	demo.send("hello")
	demo.want("echo: hello")

	note := b.open("/notification?token=" + answer.Data.Token)
	note.want("connection established")
	note.send(`{"type":"jwt","token":"` + b.token("bob") + `"}`)
	if _, err := note.read(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("another user's token: %v, want close code 1008", err)
	}
}

// Who says nothing on a ticket's route is cut after one interval.
func TestDoorsCutWhoDoesNotAuthenticate(t *testing.T) {
	b := openBuilding(t, func(c *config.Config) { c.AuthPingInterval = 50 * time.Millisecond })
	_, body := do(t, request(t, http.MethodGet, b.url("/api/auth/token/ws"), "Authorization", "Bearer "+b.token("ann")))
	ticket := regexp.MustCompile(`[0-9a-f]{24}`).FindString(body)
	s := b.open("/demo?token=" + ticket)
	s.want("connection established")
	if _, err := s.read(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("%v, want close code 1008", err)
	}
}

func TestDoorsEndWithTheServer(t *testing.T) {
	b := openBuilding(t)
	s, f := b.open("/ws"), b.feed("/events")
	s.want(`{"type":"connected".*`)
	f.want(`event: connected\n.*`)
	ended := make(chan error, 1)
	go func() { _, err := s.read(); ended <- err }() // awaited below
	b.stop()
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("a plain websocket: %v, want close code 1001", err)
	}
	if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream: %v, want its end", err)
	}
	if err := <-b.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
