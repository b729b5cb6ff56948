package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// get makes a request without a session.
func (s *site) get(t testing.TB, method, query string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.url(query), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Cookie" {
			req.Header.Add(header[i], header[i+1])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK && res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s: Content-Type %q", method, query, res.Header.Get("Content-Type"))
	}
	return res.StatusCode, string(body)
}

func TestWire13_Errors(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{}, a)
	p := s.poller(t)
	upgraded := s.connect(t)
	defer upgraded.CloseNow()
	a.next(t)
	overWebSocket := a.next(t).ID()
	tests := map[string]struct {
		method, query string
		header        []string
		status, code  int
	}{
		"no transport":                   {"GET", "EIO=4", nil, 400, 0},
		"unknown transport":              {"GET", "EIO=4&transport=abc", nil, 400, 0},
		"webtransport":                   {"GET", "EIO=4&transport=webtransport", nil, 400, 0},
		"unknown session":                {"GET", pollingQuery + "&sid=abc", nil, 400, 1},
		"unknown session, post":          {"POST", pollingQuery + "&sid=abc", nil, 400, 1},
		"handshake by post":              {"POST", pollingQuery, nil, 400, 2},
		"handshake by put":               {"PUT", pollingQuery, nil, 400, 2},
		"websocket without upgrade":      {"GET", "EIO=4&transport=websocket", nil, 400, 3},
		"session with another transport": {"GET", "EIO=4&transport=websocket&sid=" + p.sid, nil, 400, 3},
		"poll of a websocket session":    {"GET", pollingQuery + "&sid=" + overWebSocket, nil, 400, 3},
		"post to a websocket session":    {"POST", pollingQuery + "&sid=" + overWebSocket, nil, 400, 3},
		"JSONP":                          {"GET", pollingQuery + "&j=0", nil, 400, 3},
		"no version":                     {"GET", "transport=polling", nil, 400, 5},
		"EIO=3":                          {"GET", "EIO=3&transport=polling", nil, 400, 5},
		"EIO=abc":                        {"GET", "EIO=abc&transport=polling", nil, 400, 5},
		"huge query":                     {"GET", pollingQuery + "&sid=" + strings.Repeat("x", 100_000), nil, 400, 1},
		"huge headers":                   {"GET", pollingQuery, []string{"Cookie", strings.Repeat("x", maxRequestBytes)}, 431, 3},
		"too many parameters":            {"GET", pollingQuery + strings.Repeat("&a=", 99), nil, 431, 3},
		"too many headers":               {"GET", pollingQuery, slices.Repeat([]string{"Cookie", "a"}, 100), 431, 3},
		"huge URL":                       {"GET", pollingQuery + "&x=" + strings.Repeat("x", maxRequestBytes), nil, 431, 3},
		"upgrade of a polling handshake": {"GET", pollingQuery, testkit.UpgradeHeader(), 400, 3},
		"upgrade EIO=3":                  {"GET", "EIO=3&transport=websocket", testkit.UpgradeHeader(), 400, 5},
		"upgrade without version":        {"GET", "transport=websocket", testkit.UpgradeHeader(), 400, 5},
		"upgrade of an unknown session":  {"GET", "EIO=4&transport=websocket&sid=abc", testkit.UpgradeHeader(), 400, 1},
		"upgrade with EIO=3":             {"GET", "EIO=3&transport=websocket&sid=" + p.sid, testkit.UpgradeHeader(), 400, 3},
		"upgrade with no EIO":            {"GET", "transport=websocket&sid=" + p.sid, testkit.UpgradeHeader(), 400, 3},
		"post with EIO=3":                {"POST", "EIO=3&transport=polling&sid=" + p.sid, nil, 400, 3},
		"poll with no EIO":               {"GET", "transport=polling&sid=" + p.sid, nil, 400, 3},
		"upgrade of a websocket":         {"GET", "EIO=4&transport=websocket&sid=" + overWebSocket, testkit.UpgradeHeader(), 400, 3},
		"upgrade without a key":          {"GET", "EIO=4&transport=websocket", append(testkit.UpgradeHeader(), "Sec-WebSocket-Key", ""), 400, 3},
		"upgrade with a short key":       {"GET", "EIO=4&transport=websocket", append(testkit.UpgradeHeader(), "Sec-WebSocket-Key", "YWJj"), 400, 3},
		"upgrade of version 8":           {"GET", "EIO=4&transport=websocket", append(testkit.UpgradeHeader(), "Sec-WebSocket-Version", "8"), 426, 3},
	}
	messages := []string{"Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden",
		"Unsupported protocol version"}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, body := s.get(t, test.method, test.query, test.header...)
			want := fmt.Sprintf(`{"code":%d,"message":%q}`, test.code, messages[test.code])
			if status != test.status || body != want {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, want)
			}
		})
	}
	if status := p.post("4x"); status != http.StatusOK {
		t.Errorf("the session did not outlive refused requests: %d", status)
	}
}

func TestInvalidOriginBytes(t *testing.T) {
	s := newServer(conn.Config{}, newApp().accept)
	defer s.Shutdown(t.Context())
	r := httptest.NewRequest("GET", "/socket.io/?"+pollingQuery, nil)
	r.Header["Origin"] = []string{"http://x\x01"}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"code":3`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestWire14_24_RefusedHandshakes(t *testing.T) {
	tests := map[string]struct {
		cfg               conn.Config
		polling, upgraded int
		cause             string
	}{
		"origin":      {conn.Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "http://good" }}, 403, 403, "origin"},
		"transport":   {conn.Config{}, 400, 400, "transport"},
		"rate":        {conn.Config{HandshakesPerSecond: 0.0001}, 403, 403, "rate"},
		"connections": {conn.Config{MaxConnections: 1}, 403, 403, "limit"},
		"of one peer": {conn.Config{MaxConnectionsPerIP: 1}, 403, 403, "limit"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			var own Config
			if test.cause == "transport" {
				own.Transports = []string{"none"}
			}
			s := start(t, test.cfg, a, own)
			switch test.cause {
			case "rate", "limit":
				s.poller(t)
			}
			status, body := s.get(t, "GET", pollingQuery, "Origin", "http://evil")
			if status != test.polling {
				t.Errorf("polling: %d %s, want %d", status, body, test.polling)
			}
			if status == 403 && body != `{"code":4,"message":"Forbidden"}` {
				t.Errorf("polling: body %s", body)
			}
			status, _ = s.get(t, "GET", "EIO=4&transport=websocket", append(testkit.UpgradeHeader(), "Origin", "http://evil")...)
			if status != test.upgraded {
				t.Errorf("websocket: %d, want %d", status, test.upgraded)
			}
			if got := s.Stats().Refused[test.cause]; got != 2 {
				t.Errorf("counted %v", s.Stats().Refused)
			}
		})
	}
}

// TestCrossSiteUpgrade: the websocket of a session is opened by another site than the one that polls (CVE-2019-13611).
func TestCrossSiteUpgrade(t *testing.T) {
	s := start(t, conn.Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") != "http://evil" }}, newApp())
	p := s.poller(t)
	status, _ := s.get(t, "GET", "EIO=4&transport=websocket&sid="+p.sid, append(testkit.UpgradeHeader(), "Origin", "http://evil")...)
	if status != http.StatusForbidden {
		t.Errorf("got %d, want 403", status)
	}
}

// TestCrossSitePost: a page of a name that was made to point here polls without an Origin, as browsers read from a page's own
// host, and says in its posts where it is from.
func TestCrossSitePost(t *testing.T) {
	s := start(t, conn.Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") != "http://evil" }}, newApp())
	p := s.poller(t)
	query := pollingQuery + "&sid=" + p.sid
	if status, _ := s.get(t, "POST", query, "Origin", "http://evil"); status != http.StatusForbidden {
		t.Errorf("a post of another site: got %d, want 403", status)
	}
	if status, _ := s.get(t, "POST", query, "Origin", "http://good"); status == http.StatusForbidden {
		t.Error("a post of the page that polls: got 403")
	}
}

func TestLimitsAreGivenBack(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{MaxConnections: 2, MaxConnectionsPerIP: 2}, a)
	for range 5 {
		c, p := s.connect(t), s.poller(t)
		if status, _ := s.get(t, "GET", pollingQuery); status != http.StatusForbidden {
			t.Fatalf("a third connection: %d", status)
		}
		c.CloseNow()
		p.post("1")
		testkit.Until(t, "end of both", func() bool { return len(s.all()) == 0 })
	}
}

func TestWire15_HandshakeFields(t *testing.T) {
	tests := map[string]struct {
		cfg       conn.Config
		own       Config
		transport string
		want      string
	}{
		"polling":   {conn.Config{}, Config{}, "polling", `"upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		"websocket": {conn.Config{}, Config{}, "websocket", `"upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		"no websocket": {conn.Config{PingInterval: time.Second, PingTimeout: 300 * time.Millisecond, MaxPayloadBytes: 5}, Config{Transports: []string{"polling"}},
			"polling", `"upgrades":[],"pingInterval":1000,"pingTimeout":300,"maxPayload":5}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			s := start(t, test.cfg, a, test.own)
			var open string
			if test.transport == "polling" {
				_, open = s.get(t, "GET", pollingQuery)
			} else {
				open = testkit.Read(t, s.dial(t, "EIO=4&transport=websocket"))
			}
			id := a.next(t).ID()
			if want := `0{"sid":"` + id + `",` + test.want; open != want {
				t.Errorf("open packet is %s, want %s", open, want)
			}
			var fields map[string]any
			if err := json.Unmarshal([]byte(open[1:]), &fields); err != nil || len(fields) != 5 {
				t.Errorf("fields %v, error %v", fields, err)
			}
			if strings.Contains(open, `"upgrades":["websocket"]`) {
				return
			}
			if status, _ := s.get(t, "GET", "EIO=4&transport=websocket&sid="+id, testkit.UpgradeHeader()...); status != 400 {
				t.Errorf("upgrade: %d", status)
			}
		})
	}
}

// TestWire25_HeadersOfTheWrapperAreSent: what wrappers above set on the response reaches the client of a websocket too.
func TestWire25_HeadersOfTheWrapperAreSent(t *testing.T) {
	s := newServer(conn.Config{}, newApp().accept)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Evil", "x\r\nInjected: 1")
		s.ServeHTTP(w, r)
	}))
	defer web.Close()
	defer s.Shutdown(t.Context())
	for _, transport := range []string{"polling", "websocket"} {
		var res *http.Response
		url := web.URL + "/socket.io/?EIO=4&transport=" + transport
		if transport == "polling" {
			got, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			res = got
		} else {
			c, got, err := websocket.Dial(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			res = got
		}
		if got := res.Header["Set-Cookie"]; !reflect.DeepEqual(got, []string{"a=1", "b=2"}) {
			t.Errorf("%s: Set-Cookie %q", transport, got)
		}
		if res.Header.Get("Injected") != "" {
			t.Errorf("%s: a header was injected", transport)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestSessionCookie(t *testing.T) {
	s := start(t, conn.Config{}, newApp(), Config{SessionCookie: "io"})
	p := s.poller(t)
	if res, _ := p.do(http.MethodPost, "4x", ""); res.Header["Set-Cookie"] != nil {
		t.Errorf("a post sets %q", res.Header["Set-Cookie"])
	}
	p.sid = ""
	res, open := p.do(http.MethodGet, "", "")
	want := []string{"io=" + sidOf(t, open) + "; Path=/; HttpOnly; SameSite=Lax"}
	if got := res.Header["Set-Cookie"]; !reflect.DeepEqual(got, want) {
		t.Errorf("the handshake sets %q, want %q", got, want)
	}
	c, res, err := websocket.Dial(t.Context(), s.url("EIO=4&transport=websocket"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if got := res.Header["Set-Cookie"]; got != nil {
		t.Errorf("a websocket sets %q", got)
	}
}

func TestWire26_Request(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{}, a)
	get := func(query string, upgrade bool) *Request {
		header := []string{"User-Agent", "test", "X-Two", "2"}
		if upgrade {
			r := s.raw(t)
			request := strings.Replace(upgradeRequest(query), "Host: x\r\n", "Host: x\r\nX-Two: 2\r\nUser-Agent: test\r\n", 1)
			r.Send([]byte(request))
			r.Head(101)
		} else {
			s.get(t, "GET", query, header...)
		}
		return a.next(t).Request()
	}
	one, two := get(pollingQuery+"&a=1&a=2", false), get(pollingQuery+"&a=1&a=2", false)
	if one.Header.Get("Host") != s.addr || one.Header.Get("X-Two") != "2" {
		t.Errorf("headers %v", one.Header)
	}
	if got := one.Query()["a"]; !reflect.DeepEqual(got, []string{"1", "2"}) {
		t.Errorf("query %v", one.Query())
	}
	if one.URL != "/socket.io/?"+pollingQuery+"&a=1&a=2" || one.Secure || time.Since(one.Time) > testkit.Patience {
		t.Errorf("request %+v", one)
	}
	same := func(a, b map[string][]string) bool {
		return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
	}
	if !same(one.Header, two.Header) {
		t.Error("equal requests do not share a copy")
	}
	ws := get("EIO=4&transport=websocket", true)
	if ws.Header.Get("Sec-WebSocket-Key") != "" || ws.Header.Get("Host") != "x" || ws.Header.Get("X-Two") != "2" {
		t.Errorf("headers of a websocket %v", ws.Header)
	}
}

// liveHeap returns what is left after garbage is collected.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // pools are given up by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryOfAClient has clients that read nothing and leave their messages unfinished: each pins what is queued for it, and
// at most twice a message. docs/deploy.md counts so.
func TestMemoryOfAClient(t *testing.T) {
	const clients, outbox, payload = 20, 1 * (1 << 20), 1_000_000
	a := newApp()
	s := start(t, conn.Config{OutboxBytes: outbox, MaxPayloadBytes: payload}, a)
	before := liveHeap()
	var sessions []*Session
	for range clients {
		r := s.rawWebSocket(t)
		r.Send(testkit.Frame(testkit.Text, false, []byte("4")))
		for range 10 {
			r.Send(testkit.Frame(testkit.Continuation, false, make([]byte, payload/20)))
		}
		rest := testkit.Frame(testkit.Continuation, true, make([]byte, payload/2-1))
		r.Send(rest[:len(rest)-1])
		sessions = append(sessions, a.next(t))
	}
	var each int64
	testkit.Until(t, "all that was sent", func() bool {
		for _, session := range sessions { // the kernel takes some of it, and more later
			for {
				session.c.Lock()
				queued, _ := session.c.QueuedLocked()
				session.c.Unlock()
				if queued >= outbox-20_000 {
					break
				}
				if err := session.Send(wire.Text(make([]byte, 10_000))); err != nil {
					t.Fatal(err)
				}
			}
		}
		each = (liveHeap() - before) / clients
		return each > outbox+payload*9/10
	})
	if most := int64(outbox + 2*payload); each > most {
		t.Errorf("a client takes %d bytes, want at most %d", each, most)
	} else {
		t.Logf("a client takes %d bytes", each)
	}
}

// TestMemoryOfAHandshake opens sessions with the largest handshakes that are taken: what is kept of each is not much more
// than was sent.
func TestMemoryOfAHandshake(t *testing.T) {
	const sessions, most = 100, 40 * kiB
	s := newServer(conn.Config{}, func(*Session) conn.Receiver { return conn.Nobody{} })
	before := liveHeap()
	for i := range sessions {
		r := httptest.NewRequest("GET", "/socket.io/?"+pollingQuery+strings.Repeat("&a=", 90)+strings.Repeat("x", 12_000), nil)
		for n := range maxRequestFields {
			r.Header.Set(fmt.Sprint("H-", i, "-", n), "a")
		}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("handshake: %d", w.Code)
		}
	}
	if each := (liveHeap() - before) / sessions; each > most {
		t.Errorf("a session takes %d bytes, want at most %d", each, most)
	} else {
		t.Logf("a session takes %d bytes", each)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestInternIsBounded(t *testing.T) {
	in := newInterner()
	for i := range 10 * maxInterned {
		in.intern(map[string][]string{"k": {fmt.Sprint(i)}})
	}
	if len(in.seen) > maxInterned {
		t.Errorf("%d copies are kept", len(in.seen))
	}
	big := map[string][]string{"k": {strings.Repeat("x", maxInternBytes)}}
	if got := in.intern(big); !reflect.DeepEqual(got, big) {
		t.Error("copy differs")
	}
}

// TestCutClientsAreNamed at level debug, by the session's id.
func TestCutClientsAreNamed(t *testing.T) {
	lines := make(lineLog, 10)
	s := start(t, conn.Config{Log: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))}, newApp())
	c := s.dial(t, "EIO=4&transport=websocket")
	want := `msg="client was cut" sid=` + sidOf(t, testkit.Read(t, c)) + ` addr=127.0.0.1 reason="transport error"`
	testkit.Write(t, c, "2")
	testkit.ReadUntilClosed(t, c)
	if got := testkit.Receive(t, lines, "line"); !strings.Contains(got, want) {
		t.Errorf("line %q, want %q", got, want)
	}
}

// lineLog takes what is logged.
type lineLog chan string

func (l lineLog) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
