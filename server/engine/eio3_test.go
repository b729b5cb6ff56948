package engine

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

const pollingQuery3 = "EIO=3&transport=polling"

var allowed3 = Config{AllowEIO3: true}

// poller3 is a poller of Engine.IO 3.
func (s *site) poller3(t testing.TB, query string) *poller3 {
	t.Helper()
	p := &poller3{t: t, site: s, query: query}
	_, body := p.do("GET", "", "")
	length, open, _ := strings.Cut(body, ":")
	if fmt.Sprint(len(open)) != length {
		t.Fatalf("handshake is %q", body)
	}
	p.sid = sidOf(t, open)
	p.query += "&sid=" + p.sid
	return p
}

type poller3 struct {
	t          testing.TB
	site       *site
	query, sid string
	address    string // in X-Address
}

// do makes a request, with a content type where one is given, and returns the answer's status and type, and its body.
func (p *poller3) do(method, content, body string) (string, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.site.url(p.query), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if content != "" {
		req.Header.Set("Content-Type", content)
	}
	req.Header.Set("X-Address", p.address)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", res.Header.Get("Content-Type")), string(got)
}

const (
	isText   = "200 text/plain; charset=UTF-8"
	inOctets = "200 application/octet-stream"
)

func TestEIO3Polling(t *testing.T) {
	const bytesToo = "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04"
	for _, tc := range []struct{ query, content, post, kind, want string }{
		{pollingQuery3, "text/plain", "6:4hello", isText, "6:4hello"},
		{pollingQuery3, "text/plain", "6:4test16:4test26:4test3", isText, "6:4test16:4test26:4test3"},
		{pollingQuery3, "text/plain", "6:4hello10:b4AQIDBA==", inOctets, bytesToo},
		{pollingQuery3, "application/octet-stream", bytesToo, inOctets, bytesToo},
		{pollingQuery3, "application/octet-stream", "\x00\x03\xff4\u00e9", inOctets, "\x00\x03\xff4\u00e9"},
		{pollingQuery3, "text/plain", "1:2", isText, "1:3"},
		{pollingQuery3 + "&b64=1", "text/plain", "6:4hello10:b4AQIDBA==", isText, "6:4hello10:b4AQIDBA=="},
		{pollingQuery3 + "&b64=1", "text/plain", "4:4\u20ac\U0001F600", isText, "4:4\u20ac\U0001F600"},
		{"transport=polling", "text/plain", "6:4hello", isText, "6:4hello"},
		{"EIO=5&transport=polling", "text/plain", "6:4hello", isText, "6:4hello"},
	} {
		p := start(t, conn.Config{}, newApp().echo(), allowed3).poller3(t, tc.query)
		if status, body := p.do("POST", tc.content, tc.post); status != "200 text/html" || body != "ok" {
			t.Errorf("%s: POST of %q is %s %s", tc.query, tc.post, status, body)
		}
		if kind, body := p.do("GET", "", ""); kind != tc.kind || body != tc.want {
			t.Errorf("%s: %q comes back as %s %q, want %s %q", tc.query, tc.post, kind, body, tc.kind, tc.want)
		}
		if _, body := p.do("POST", "text/plain", "1:1"); body != "ok" {
			t.Errorf("close is %s", body)
		}
		p.do("GET", "", "")
	}
}

func TestEIO3Refusals(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a, allowed3)
	three, four := s.poller3(t, pollingQuery3), s.poller(t)
	for name, test := range map[string]struct {
		method, query string
		code          int
	}{
		"JSONP":                        {"GET", pollingQuery3 + "&j=0", 0},
		"JSONP with a session":         {"GET", three.query + "&j=0", 0},
		"JSONP of version 4":           {"GET", pollingQuery + "&j=0", 3},
		"version 4, session of 3":      {"GET", pollingQuery + "&sid=" + three.sid, 3},
		"version 4, POST of 3":         {"POST", pollingQuery + "&sid=" + three.sid, 3},
		"version 3, session of 4":      {"GET", pollingQuery3 + "&sid=" + four.sid, 3},
		"no version, POST of 4":        {"POST", "transport=polling&sid=" + four.sid, 3},
		"handshake by POST":            {"POST", pollingQuery3, 2},
		"websocket without an upgrade": {"GET", "EIO=3&transport=websocket", 3},
	} {
		if status, body := s.get(t, test.method, test.query); status != 400 || !strings.HasPrefix(body, fmt.Sprintf(`{"code":%d,`, test.code)) {
			t.Errorf("%s: %d %s, want code %d", name, status, body, test.code)
		}
	}
	for _, body := range []string{"abc", "7:4hello", "", "6:4hello1:3", "2:2", "1:8"} {
		p := s.poller3(t, pollingQuery3)
		if status, _ := p.do("POST", "text/plain", body); !strings.HasPrefix(status, "400") {
			t.Errorf("POST of %q is %s", body, status)
		}
	}
	if status, body := three.do("POST", "text/plain", "6:4hello"); body != "ok" {
		t.Errorf("the session did not outlive refused requests: %s %s", status, body)
	}
}

// TestEIO3SessionIsItsAddress: others see the session's id as that of the socket.
func TestEIO3SessionIsItsAddress(t *testing.T) {
	a := newApp().echo()
	cfg := conn.Config{ClientIP: func(r *http.Request) string { return r.Header.Get("X-Address") }}
	s := start(t, cfg, a, allowed3)
	p := s.poller3(t, pollingQuery3)
	thief := &poller3{t: t, site: s, query: p.query, sid: p.sid, address: "192.0.2.7"}
	for _, method := range []string{"GET", "POST"} {
		if status, body := thief.do(method, "text/plain", "6:4hello"); status != "400 application/json" || body != `{"code":1,"message":"Session ID unknown"}` {
			t.Errorf("%s from elsewhere is %s %s", method, status, body)
		}
	}
	upgrade := []string{"X-Address", "192.0.2.7"}
	query := "EIO=3&transport=websocket&sid=" + p.sid
	if status, body := s.get(t, "GET", query, append(testkit.UpgradeHeader(), upgrade...)...); status != 400 || !strings.Contains(body, `"code":1`) {
		t.Errorf("an upgrade from elsewhere is %d %s", status, body)
	}
	if _, body := p.do("POST", "text/plain", "6:4hello"); body != "ok" {
		t.Errorf("the session's own POST is %s", body)
	}
	// With a websocket it takes no polls, from wherever.
	c := s.dial(t, query)
	testkit.Write(t, c, "2probe")
	testkit.Read(t, c)
	testkit.Write(t, c, "5")
	if got := testkit.Read(t, c); got != "4hello" {
		t.Errorf("got %q", got)
	}
	if status, body := p.do("GET", "", ""); status != "400 application/json" || !strings.Contains(body, `"code":3`) {
		t.Errorf("a poll behind the upgrade is %s %s", status, body)
	}
	if status, body := thief.do("GET", "", ""); status != "400 application/json" || !strings.Contains(body, `"code":1`) {
		t.Errorf("a poll from elsewhere is %s %s", status, body)
	}
}

func TestEIO3WebSocket(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a, allowed3)
	c := s.dial(t, "EIO=3&transport=websocket")
	sidOf(t, testkit.Read(t, c))
	session := a.next(t)
	testkit.Write(t, c, "2")
	testkit.Write(t, c, "4h\u00e9")
	testkit.Write(t, c, "b4AQID")
	for _, want := range []string{"3", "4h\u00e9", "\x04\x01\x02\x03"} {
		if got := testkit.Read(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte{4, 9}); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Read(t, c); got != "\x04\x09" {
		t.Errorf("got %q", got)
	}
	// Bytes to clients of both versions: the text is one frame.
	m := withAttachments([]byte("451-[]"), [][]byte{{1, 2, 3}})
	session.Send(m)
	for _, want := range []string{"451-[]", "\x04\x01\x02\x03"} {
		if got := testkit.Read(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	text := wire.Text([]byte("4x"))
	if session.outgoing(text) != text {
		t.Error("text is not shared")
	}
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte{2}); err != nil {
		t.Fatal(err)
	}
	testkit.ReadUntilClosed(t, c)

	b := s.dial(t, "EIO=3&transport=websocket&b64=1")
	testkit.Read(t, b)
	a.next(t).Send(m)
	for _, want := range []string{"451-[]", "b4AQID"} {
		if got := testkit.Read(t, b); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	testkit.Write(t, b, "3") // a pong, which only the server sends
	testkit.ReadUntilClosed(t, b)
}

// TestEIO3QueuedForAPollLeavesByWebSocket: what is queued while a client polls has its form on either transport.
func TestEIO3QueuedForAPollLeavesByWebSocket(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a, allowed3)
	p := s.poller3(t, pollingQuery3)
	session := a.next(t)
	c := s.dial(t, "EIO=3&transport=websocket&sid="+p.sid)
	testkit.Write(t, c, "2probe")
	if got := testkit.Read(t, c); got != "3probe" {
		t.Fatalf("probe is answered %q", got)
	}
	session.Send(withAttachments([]byte("451-[]"), [][]byte{{1}}))
	testkit.Write(t, c, "5")
	for _, want := range []string{"451-[]", "\x04\x01"} {
		if got := testkit.Read(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEIO3IDHasThePrefix(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{}, a, Config{AllowEIO3: true, IDPrefix: "node"})
	if p := s.poller3(t, pollingQuery3); !strings.HasPrefix(p.sid, "node") || len(p.sid) != 20 {
		t.Errorf("the id is %q", p.sid)
	}
	if p := s.poller(t); strings.HasPrefix(p.sid, "node") {
		t.Errorf("the id of version 4 is %q", p.sid)
	}
}

// TestEIO3Heartbeat: the client pings, and has gone when it has not for interval and timeout together.
func TestEIO3Heartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		b := &bubble{newServer(conn.Config{}, a.accept, allowed3), t, testkit.NewPipes(), nil}
		b.web = &http.Server{Handler: b.Server}
		go b.web.Serve(b.pipes)
		defer b.stop()
		r := b.raw()
		r.Send([]byte(upgradeRequest("EIO=3&transport=websocket")))
		r.Head(http.StatusSwitchingProtocols)
		r.Frame()
		for range 3 {
			time.Sleep(45*time.Second - 1)
			r.Send(testkit.TextFrame("2"))
			if _, got := r.Frame(); string(got) != "3" {
				t.Fatalf("got %q, want a pong", got)
			}
		}
		last := time.Now()
		time.AfterFunc(40*time.Second, func() { r.Send(testkit.TextFrame("4x")) }) // which is no ping
		go r.MustEnd()
		if got := <-a.closed; got != conn.ReasonPingTimeout || time.Since(last) != 45*time.Second {
			t.Errorf("ended by %v %v after the last ping", got, time.Since(last))
		}
	})
}

func TestEIO3MessageOverTheLimit(t *testing.T) {
	p := start(t, conn.Config{MaxPayloadBytes: 1000}, newApp(), allowed3).poller3(t, pollingQuery3)
	if status, _ := p.do("POST", "application/octet-stream", string(bytes.Repeat([]byte{1}, 1001))); !strings.HasPrefix(status, "413") {
		t.Errorf("a body over the limit is %s", status)
	}
}
