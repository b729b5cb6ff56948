package door

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

func TestWebSocketEchoesInOrder(t *testing.T) {
	p := newPlace(t, conn.Config{})
	p.mux.Handle("/echo", p.doors.WebSocket(texts{}, conn.WebSocketOptions{}))
	c := p.client("/echo")
	for i := range 200 {
		c.send(fmt.Sprint(i))
	}
	for i := range 200 {
		c.want(fmt.Sprint("echo ", i))
	}
	c.write(websocket.MessageBinary, "as bytes \xc3\xa4")
	c.want("echo as bytes \u00e4")
	c.write(websocket.MessageBinary, "no UTF-8: \xff\xfe.")
	c.want("echo no UTF-8: \uFFFD.")
	if n := p.doors.Stats().TextsIn.Load(); n != 202 {
		t.Errorf("TextsIn = %d, want 202", n)
	}
}

func TestWebSocketRefusals(t *testing.T) {
	p := newPlace(t, conn.Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") != "http://evil.example" }, MaxConnections: 1})
	refuse := func(err error) http.Handler {
		return p.doors.WebSocket(texts{connect: func(peer app.TextPeer, _ app.Visit) error {
			p.hub.Join(peer.Member(), hub.Room{Kind: hub.KindTopic, Name: "x"})
			peer.Send([]byte("never"))
			return err
		}}, conn.WebSocketOptions{})
	}
	asked := 0
	p.mux.Handle("/401", refuse(&app.Refusal{Status: 401}))
	p.mux.Handle("/403", refuse(fmt.Errorf("wrapped: %w", &app.Refusal{Status: 403, Message: "no <entry>"})))
	p.mux.Handle("/500", refuse(errors.New("a secret")))
	p.mux.Handle("/panic", p.doors.WebSocket(texts{connect: func(app.TextPeer, app.Visit) error { panic("connect") }}, conn.WebSocketOptions{}))
	p.mux.Handle("/ok", p.doors.WebSocket(texts{connect: func(app.TextPeer, app.Visit) error { asked++; return nil }}, conn.WebSocketOptions{}))
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/401":   {401, `{"status":0,"message":"Unauthorized"}`},
		"/403":   {403, `{"status":0,"message":"no \u003centry\u003e"}`},
		"/500":   {500, `{"status":0,"message":"Internal Server Error"}`},
		"/panic": {500, `{"status":0,"message":"Internal Server Error"}`},
	} {
		_, resp, err := p.dial(path, nil)
		if err == nil || resp == nil {
			t.Fatalf("%s: dial = %v", path, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want.status || string(body) != want.body {
			t.Errorf("%s: %d %s, want %d %s", path, resp.StatusCode, body, want.status, want.body)
		}
		if got := resp.Header.Get("WWW-Authenticate"); (got == "Bearer") != (want.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", path, got)
		}
	}
	_, resp, err := p.dial("/ok", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin: %v", err)
	}
	if asked != 0 {
		t.Error("the handler was asked about a page of another origin")
	}
	p.client("/ok")
	_, resp, err = p.dial("/ok", nil)
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("one client too many: %v", err)
	}
	if asked != 1 {
		t.Errorf("the handler was asked %d times, want 1", asked)
	}
	plain, err := http.Get(p.http.URL + "/ok")
	if err != nil {
		t.Fatal(err)
	}
	plain.Body.Close()
	if plain.StatusCode != http.StatusUpgradeRequired || plain.Header.Get("Upgrade") != "websocket" {
		t.Errorf("no upgrade: %d %v", plain.StatusCode, plain.Header)
	}
	if c := p.hub.Counts(); len(c) != 0 {
		t.Errorf("rooms left behind: %v", c)
	}
	bad, err := http.NewRequest(http.MethodGet, p.http.URL+"/401", nil)
	if err != nil {
		t.Fatal(err)
	}
	bad.Header.Set("Connection", "Upgrade")
	bad.Header.Set("Upgrade", "websocket")
	res, err := http.DefaultClient.Do(bad)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("an upgrade without a version: %d, want 426", res.StatusCode)
	}
	if n := p.doors.Stats().Panics.Load(); n != 1 {
		t.Errorf("Panics = %d, want 1", n)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWebSocketVisit(t *testing.T) {
	p := newPlace(t, conn.Config{ClientIP: func(*http.Request) string { return "192.0.2.7" }})
	type seen struct{ param, query, header, host, token, addr, auth string }
	got := make(chan seen, 1)
	p.mux.Handle("/at/{room}", p.doors.WebSocket(texts{connect: func(_ app.TextPeer, v app.Visit) error {
		got <- seen{v.Param("room"), v.Query("a"), v.Header("x-test"), v.Header("host"), v.Token, v.RemoteAddr, string(v.Auth)}
		return &app.Refusal{Status: 418}
	}}, conn.WebSocketOptions{}))
	_, _, err := p.dial("/at/a%2Fb?a=1&token=query", &websocket.DialOptions{HTTPHeader: http.Header{"X-Test": {"yes"}, "Authorization": {"Bearer head"}}})
	if err == nil {
		t.Fatal("the client was let in")
	}
	want := seen{"a/b", "1", "yes", strings.TrimPrefix(p.http.URL, "http://"), "head", "192.0.2.7", "{}"}
	if s := receive(t, got); s != want {
		t.Errorf("visit = %+v, want %+v", s, want)
	}
	_, _, _ = p.dial("/at/x?token=query", nil)
	if s := receive(t, got); s.token != "query" {
		t.Errorf("token = %q, want the query's", s.token)
	}
	_, _, _ = p.dial("/at/x?token=one&token=two", nil)
	if s := receive(t, got); s.token != "" {
		t.Errorf("token = %q, want none of two", s.token)
	}
}

// What is sent while the handler looks at the client waits for the upgrade, in order, the hub's messages among it.
func TestWebSocketHoldsBackUntilTheUpgrade(t *testing.T) {
	p := newPlace(t, conn.Config{})
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	p.mux.Handle("/early", p.doors.WebSocket(texts{connect: func(peer app.TextPeer, _ app.Visit) error {
		peer.Send([]byte("one"))
		p.hub.Join(peer.Member(), room)
		if n := p.hub.Send(room, &hub.Message{Text: []byte("two")}); n != 1 {
			t.Errorf("Send = %d, want 1", n)
		}
		if n := p.hub.Send(room, &hub.Message{SSE: []byte("not for it")}); n != 0 {
			t.Errorf("Send without a text = %d, want 0", n)
		}
		peer.Send([]byte("three"))
		return nil
	}}, conn.WebSocketOptions{}))
	c := p.client("/early")
	c.want("one", "two", "three")
	p.hub.Send(room, &hub.Message{Text: []byte("four")})
	c.want("four")

	p.mux.Handle("/flood", p.doors.WebSocket(texts{connect: func(peer app.TextPeer, _ app.Visit) error {
		sent := 0
		for peer.Send([]byte("x")) {
			sent++
		}
		if sent != maxEarly {
			t.Errorf("%d messages are held back, want %d", sent, maxEarly)
		}
		return nil
	}}, conn.WebSocketOptions{}))
	flood := p.client("/flood")
	for range maxEarly {
		flood.want("x")
	}

	p.mux.Handle("/turned", p.doors.WebSocket(texts{connect: func(peer app.TextPeer, _ app.Visit) error {
		peer.Send([]byte("bye"))
		peer.Close(app.ClosePolicy, "changed my mind")
		if peer.Send([]byte("late")) || !peer.Closed() {
			t.Error("a closed peer takes messages")
		}
		return nil
	}, text: func(app.TextPeer, []byte) { t.Error("a closed client was heard") }}, conn.WebSocketOptions{}))
	turned := p.client("/turned")
	turned.want("bye")
	turned.wantClosed(websocket.StatusPolicyViolation)
}

func TestWebSocketClosing(t *testing.T) {
	p := newPlace(t, conn.Config{})
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	closed := make(chan string, 1)
	p.mux.Handle("/ws", p.doors.WebSocket(texts{
		connect: func(peer app.TextPeer, _ app.Visit) error { p.hub.Join(peer.Member(), room); return nil },
		text: func(peer app.TextPeer, data []byte) {
			switch string(data) {
			case "panic":
				panic("text")
			case "close":
				peer.Send([]byte("bye"))
				peer.Close(app.ClosePolicy, "enough")
				peer.Close(app.CloseNormal, "again")
				if peer.Send([]byte("late")) {
					t.Error("a closed peer takes messages")
				}
			default:
				peer.Send(data)
			}
		},
		closed: func(peer app.TextPeer, reason string) {
			if !p.hub.Contains(peer.Member(), room) {
				t.Error("the member has left its rooms before the handler was told")
			}
			closed <- reason
		},
	}, conn.WebSocketOptions{}))

	c := p.client("/ws")
	c.send("close")
	c.want("bye")
	if _, err := c.read(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "enough") {
		t.Errorf("closed by the handler: %v", err)
	}
	if reason := receive(t, closed); reason != "forced close" {
		t.Errorf("reason = %q, want forced close", reason)
	}

	c = p.client("/ws")
	c.send("panic")
	c.wantClosed(websocket.StatusInternalError)
	receive(t, closed)

	c = p.client("/ws")
	c.ws.Close(websocket.StatusNormalClosure, "")
	if reason := receive(t, closed); reason != "transport close" {
		t.Errorf("reason = %q, want transport close", reason)
	}

	c = p.client("/ws")
	c.ws.CloseNow()
	if reason := receive(t, closed); reason != "transport close" {
		t.Errorf("reason of a cut = %q, want transport close", reason)
	}

	c = p.client("/ws")
	c.send("here") // the answer to the upgrade may come before the connection counts as open
	c.want("here")
	ended := make(chan error, 1)
	go func() { _, err := c.read(); ended <- err }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.conns.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if reason := receive(t, closed); reason != "server shutting down" {
		t.Errorf("reason = %q, want server shutting down", reason)
	}
	if err := receive(t, ended); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("at the end of the server: %v, want 1001", err)
	}
	if n := p.doors.Stats().Panics.Load(); n != 1 {
		t.Errorf("Panics = %d, want 1", n)
	}
}

func TestWebSocketPanicInClose(t *testing.T) {
	p := newPlace(t, conn.Config{})
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	told, done := once[bool]()
	p.mux.Handle("/ws", p.doors.WebSocket(texts{
		connect: func(peer app.TextPeer, _ app.Visit) error { p.hub.Join(peer.Member(), room); return nil },
		closed:  func(app.TextPeer, string) { told(true); panic("close") },
	}, conn.WebSocketOptions{}))
	p.client("/ws").ws.CloseNow()
	receive(t, done)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.conns.Shutdown(ctx); err != nil { // waits for the goroutine
		t.Fatal(err)
	}
	if p.hub.Count(room) != 0 || p.doors.Stats().Panics.Load() != 1 {
		t.Errorf("members %d, panics %d; want 0 and 1", p.hub.Count(room), p.doors.Stats().Panics.Load())
	}
}

// A client that does not answer pings is cut: it is read from by hand, so nothing answers for it.
func TestWebSocketPings(t *testing.T) {
	p := newPlace(t, conn.Config{})
	closed := make(chan string, 2)
	p.mux.Handle("/ws", p.doors.WebSocket(texts{closed: func(_ app.TextPeer, reason string) { closed <- reason }},
		conn.WebSocketOptions{PingInterval: 20 * time.Millisecond, PingTimeout: 500 * time.Millisecond}))
	good := p.client("/ws")
	pings := make(chan bool, 1000)
	o := &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool { pings <- true; return true }}
	ws, _, err := p.dial("/ws", o)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	ctx := ws.CloseRead(context.Background())
	go good.read()
	for range 30 { // longer than the timeout
		receive(t, pings)
	}
	select {
	case reason := <-closed:
		t.Fatalf("a client that answers was cut: %s", reason)
	case <-ctx.Done():
		t.Fatal("a client that answers was cut")
	default:
	}

	nc, err := net.Dial("tcp", p.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, err = io.WriteString(nc, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade by hand: %v", err)
	}
	if reason := receive(t, closed); reason != "ping timeout" {
		t.Errorf("reason = %q, want ping timeout", reason)
	}
}

func TestWebSocketOthersDoNotNoticeASlowHandler(t *testing.T) {
	p := newPlace(t, conn.Config{})
	enter, goOn := make(chan bool, 1), make(chan bool)
	p.mux.Handle("/ws", p.doors.WebSocket(texts{text: func(peer app.TextPeer, data []byte) {
		if string(data) == "slow" {
			enter <- true
			<-goOn
		}
		peer.Send(data)
	}}, conn.WebSocketOptions{}))
	slow, fast := p.client("/ws"), p.client("/ws")
	slow.send("slow")
	slow.send("next")
	receive(t, enter)
	fast.send("fast")
	fast.want("fast")
	close(goOn)
	slow.want("slow", "next")
}

// fakeSocket takes what a peer sends.
type fakeSocket struct{ sent []string }

func (f *fakeSocket) Send(m *wire.Message) error {
	f.sent = append(f.sent, string(m.Parts()[0].Payload()))
	return nil
}
func (f *fakeSocket) Reply(m *wire.Message) error           { return f.Send(m) }
func (f *fakeSocket) SendVolatile(m *wire.Message) bool     { return f.Send(m) == nil }
func (f *fakeSocket) ClientLeft() bool                      { return false }
func (f *fakeSocket) Pause(d time.Duration) bool            { time.Sleep(d); return true }
func (f *fakeSocket) Inflated() int                         { return 0 }
func (f *fakeSocket) CloseWith(conn.Reason, uint16, string) {}

// Two seconds' worth come at once, of which the opening takes 10, the rest at the rate that is allowed, and nothing is lost.
func TestWebSocketThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Hub: hub.New(), MaxMessagesPerSecond: 10})
		p, ws := newTextPeer(s), new(fakeSocket)
		if err := p.connect(texts{}, app.Visit{}); err != nil {
			t.Fatal(err)
		}
		p.open(ws)
		start := time.Now()
		for i := range 100 {
			p.receive([]byte(fmt.Sprint(i)))
		}
		if took := time.Since(start).Round(time.Millisecond); took != 9*time.Second {
			t.Errorf("the opening and 100 messages at 10 a second took %v, want 9s", took)
		}
		for i := range ws.sent {
			if ws.sent[i] != fmt.Sprint("echo ", i) {
				t.Fatalf("answer %d is %q", i, ws.sent[i])
			}
		}
		if st := s.Stats(); st.TextsIn.Load() != 100 || st.Throttled.Load() != 90 || len(ws.sent) != 100 {
			t.Errorf("received %d, throttled %d, answered %d; want 100, 90 and 100", st.TextsIn.Load(), st.Throttled.Load(), len(ws.sent))
		}
	})
}

// Clients come and go while messages are sent to them: nothing is left behind, and no message comes twice.
func TestWebSocketChurn(t *testing.T) {
	p := newPlace(t, conn.Config{})
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	p.mux.Handle("/ws", p.doors.WebSocket(texts{connect: func(peer app.TextPeer, _ app.Visit) error {
		p.hub.Join(peer.Member(), room)
		return nil
	}}, conn.WebSocketOptions{}))
	stop := make(chan bool)
	var sender, clients sync.WaitGroup
	sender.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				p.hub.Send(room, &hub.Message{Text: []byte(fmt.Sprintf("%08d", i))})
			}
		}
	})
	for range 4 {
		clients.Go(func() {
			for range 15 {
				ws, _, err := p.dial("/ws", nil)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				c := &visitor{t, ws}
				last := ""
				for range 20 {
					text, err := c.read()
					if err != nil || text <= last {
						t.Errorf("got %q after %q: %v", text, last, err)
						break
					}
					last = text
				}
				ws.CloseNow()
			}
		})
	}
	clients.Wait()
	close(stop)
	sender.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.conns.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if n := p.hub.Count(room); n != 0 {
		t.Errorf("%d members are left behind", n)
	}
}
