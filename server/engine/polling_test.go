package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// poller is a client that polls.
type poller struct {
	t    testing.TB
	site *site
	sid  string
	http *http.Client
}

const pollingQuery = "EIO=4&transport=polling"

func (s *site) poller(t testing.TB) *poller {
	t.Helper()
	p := &poller{t: t, site: s, http: &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: testkit.Patience}}
	t.Cleanup(p.http.CloseIdleConnections)
	res, body := p.do(http.MethodGet, "", "")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("handshake: %d %s", res.StatusCode, body)
	}
	p.sid = sidOf(t, body)
	return p
}

func (p *poller) query() string {
	if p.sid == "" {
		return pollingQuery
	}
	return pollingQuery + "&sid=" + p.sid
}

// do makes a request for the session.
func (p *poller) do(method, body, accept string) (*http.Response, string) {
	p.t.Helper()
	var content io.Reader
	if method == http.MethodPost {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, p.site.url(p.query()), content)
	if err != nil {
		p.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	if accept != "" {
		req.Header.Set("Accept-Encoding", accept)
	}
	return p.send(req)
}

func (p *poller) send(req *http.Request) (*http.Response, string) {
	p.t.Helper()
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(got)
}

// poll makes a poll that must succeed.
func (p *poller) poll() string {
	p.t.Helper()
	res, body := p.do(http.MethodGet, "", "")
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("poll: %d %s", res.StatusCode, body)
	}
	return body
}

// post sends packets and returns the status.
func (p *poller) post(body string) int {
	p.t.Helper()
	res, _ := p.do(http.MethodPost, body, "")
	return res.StatusCode
}

// mustBeGone checks that the session is unknown.
func (p *poller) mustBeGone() {
	p.t.Helper()
	res, body := p.do(http.MethodGet, "", "")
	if res.StatusCode != http.StatusBadRequest || body != `{"code":1,"message":"Session ID unknown"}` {
		p.t.Errorf("poll of an ended session: %d %s", res.StatusCode, body)
	}
}

// waitPolling waits until a poll waits (or does not).
func waitPolling(t testing.TB, s *Session, want bool) {
	t.Helper()
	testkit.Until(t, "poll", func() bool {
		s.c.Lock()
		defer s.c.Unlock()
		return s.c.WaitsLocked() == want
	})
}

func TestPollingEcho(t *testing.T) {
	a := newApp().echo()
	p := start(t, conn.Config{}, a).poller(t)
	bodies := map[string]string{
		"one packet":      "4hello",
		"several":         "4test1\x1e4test2\x1e4test3",
		"text and binary": "4hello\x1ebAQIDBA==",
		"empty binary":    "b",
		"empty text":      "4",
		"not ASCII":       "4h\u00e9llo \U0001F600",
		"almost 1 MB":     "4" + strings.Repeat("x", 999_999),
	}
	for name, body := range bodies {
		if status := p.post(body); status != http.StatusOK {
			t.Fatalf("%s: post is %d", name, status)
		}
		if got := p.poll(); got != body {
			t.Errorf("%s: echo is %.50q, want %.50q", name, got, body)
		}
	}
	if status := p.post("bAQIDBA"); status != http.StatusOK {
		t.Fatalf("base64 without padding: post is %d", status)
	}
	if got := p.poll(); got != "bAQIDBA==" {
		t.Errorf("base64 without padding: echo is %q", got)
	}
	// As the client for Java and Android writes it: lines of 76 characters.
	line := strings.Repeat("AAEC", 19)
	for _, end := range []string{"\n", "\r\n"} {
		if status := p.post("b" + line + end + "AQ==" + end + "\x1e4x"); status != http.StatusOK {
			t.Fatalf("base64 in lines: post is %d", status)
		}
		if got := p.poll(); got != "b"+line+"AQ==\x1e4x" {
			t.Errorf("base64 in lines: echo is %q", got)
		}
	}
}

func TestWire16_PollingHeaders(t *testing.T) {
	a := newApp().echo()
	p := start(t, conn.Config{}, a).poller(t)
	res, body := p.do(http.MethodPost, "4x", "")
	if got := res.Header.Get("Content-Type"); got != "text/html" || body != "ok" {
		t.Errorf("post is answered %q %q", got, body)
	}
	res, _ = p.do(http.MethodGet, "", "")
	if got := res.Header.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
		t.Errorf("Content-Type of a poll is %q", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of a poll is %q", got)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		if res, _ := p.do(method, "", ""); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", method, res.StatusCode)
		}
	}
	if status := p.post("4x"); status != http.StatusOK {
		t.Errorf("the session did not outlive other methods: %d", status)
	}
}

func TestWire4_InvalidPacketsEndThePollingSession(t *testing.T) {
	tests := map[string]struct {
		body   string
		reason conn.Reason
	}{
		"unknown type":       {"abc", conn.ReasonParseError},
		"empty body":         {"", conn.ReasonParseError},
		"empty packet":       {"4a\x1e", conn.ReasonParseError},
		"invalid base64":     {"b%%%", conn.ReasonParseError},
		"invalid UTF-8":      {"4\xff\xfe", conn.ReasonParseError},
		"ping from a client": {"2", conn.ReasonTransportError},
		"digit out of range": {"7", conn.ReasonParseError},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			p := start(t, conn.Config{}, a).poller(t)
			if status := p.post(test.body); status != http.StatusBadRequest {
				t.Errorf("post: %d, want 400", status)
			}
			a.mustClose(t, test.reason)
			p.mustBeGone()
		})
	}
}

func TestWire2_RefusedPacketIsAnswered200(t *testing.T) {
	for name, queued := range map[string]string{"nothing queued": "", "something queued": "4queued"} {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			a.text = func(*Session, []byte) error { return fmt.Errorf("event before connect") }
			p := start(t, conn.Config{}, a).poller(t)
			if session := a.next(t); queued != "" {
				session.Send(wire.Text([]byte(queued)))
			}
			if status := p.post("42"); status != http.StatusOK {
				t.Errorf("post: %d, want 200", status)
			}
			a.mustClose(t, conn.ReasonForcedClose)
			if queued != "" {
				if got := p.poll(); got != queued {
					t.Errorf("the next poll is %q, want %q", got, queued)
				}
			}
			if got := p.poll(); got != "6\x1e1" {
				t.Errorf("the last poll is %q, want a noop and the end", got)
			}
			p.mustBeGone()
		})
	}
}

func TestIgnoredPackets(t *testing.T) {
	a := newApp().echo()
	p := start(t, conn.Config{}, a).poller(t)
	if status := p.post("3\x1e3probe\x1e6\x1e5\x1e0\x1e4x"); status != http.StatusOK {
		t.Fatalf("post: %d", status)
	}
	if got := p.poll(); got != "4x" {
		t.Errorf("poll is %q", got)
	}
}

func TestWire17_OctetStream(t *testing.T) {
	a := newApp()
	p := start(t, conn.Config{}, a).poller(t)
	req, _ := http.NewRequest(http.MethodPost, p.site.url(p.query()), strings.NewReader("4x"))
	req.Header.Set("Content-Type", "application/octet-stream")
	if res, _ := p.send(req); res.StatusCode != http.StatusBadRequest {
		t.Errorf("post: %d, want 400", res.StatusCode)
	}
	a.mustClose(t, conn.ReasonTransportError)
}

// endless is a body without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, bytes.Repeat([]byte("4"), len(p))), nil
}

func TestWire18_PostOverLimitIs413AlsoChunked(t *testing.T) {
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprintf("announced=%v", announced), func(t *testing.T) {
			a := newApp()
			p := start(t, conn.Config{MaxPayloadBytes: 10_000}, a).poller(t)
			body := &endless{}
			req, _ := http.NewRequest(http.MethodPost, p.site.url(p.query()), io.LimitReader(body, 64*(1<<20)))
			if announced {
				req.ContentLength = 64 * (1 << 20)
			}
			if res, body := p.send(req); res.StatusCode != http.StatusRequestEntityTooLarge || body != "" {
				t.Errorf("post: %d %q, want 413 without a body", res.StatusCode, body)
			}
			a.mustClose(t, conn.ReasonPayloadTooLarge)
			p.http.CloseIdleConnections()
		})
	}
}

func TestWire18_PostAtLimit(t *testing.T) {
	a := newApp().echo()
	p := start(t, conn.Config{MaxPayloadBytes: 10_000}, a).poller(t)
	body := "4" + strings.Repeat("x", 9_999)
	if status := p.post(body); status != http.StatusOK {
		t.Fatalf("post at the limit: %d", status)
	}
	if got := p.poll(); got != body {
		t.Errorf("echo has %d bytes, want %d", len(got), len(body))
	}
}

func TestWire20_21_Compression(t *testing.T) {
	tests := map[string]struct{ accept, coding string }{
		"gzip":              {"gzip, deflate, br", "gzip"},
		"deflate":           {"deflate", "deflate"},
		"deflate preferred": {"gzip;q=0.5, deflate;q=0.9", "deflate"},
		"gzip refused":      {"gzip;q=0", ""},
		"anything":          {"*", "gzip"},
		"broken quality":    {"gzip;q=x", ""},
		"none":              {"identity", ""},
		"no header":         {"", ""},
	}
	a := newApp()
	s := start(t, conn.Config{}, a)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := s.poller(t)
			session := a.next(t)
			for _, size := range []int{1023, 1024} {
				want := "4" + strings.Repeat("x", size-1)
				session.Send(wire.Text([]byte(want)))
				res, body := p.do(http.MethodGet, "", test.accept)
				coding := test.coding
				if size < 1024 {
					coding = ""
				}
				if got := res.Header.Get("Content-Encoding"); got != coding {
					t.Errorf("%d bytes: coding %q, want %q", size, got, coding)
				}
				if got := unpack(t, coding, body); got != want {
					t.Errorf("%d bytes: got %d", size, len(got))
				}
			}
		})
	}
}

func unpack(t *testing.T, coding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWire33_PollingOrder(t *testing.T) {
	got := make(chan string, 1000)
	a := newApp()
	a.text = func(_ *Session, data []byte) error { got <- string(data); return nil }
	p := start(t, conn.Config{}, a).poller(t)
	for body := range 10 {
		var packets []string
		for i := range 100 {
			packets = append(packets, fmt.Sprint("4", body*100+i))
		}
		if status := p.post(strings.Join(packets, "\x1e")); status != http.StatusOK {
			t.Fatalf("post: %d", status)
		}
	}
	for i := range 1000 {
		if data := testkit.Receive(t, got, "message"); data != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, data)
		}
	}
}

func TestWire34_PollingBurst(t *testing.T) {
	const n = 5000
	a := newApp()
	p := start(t, conn.Config{OutboxBytes: 64 * (1 << 20), MaxPayloadBytes: 10_000}, a).poller(t)
	session := a.next(t)
	go func() {
		for i := range n {
			session.Send(withAttachments(fmt.Appendf(nil, "4%d", i), [][]byte{fmt.Append(nil, i)}))
		}
	}()
	for i := 0; i < n; {
		body := p.poll()
		if len(body) > 11_000 {
			t.Fatalf("a payload of %d bytes", len(body))
		}
		packets := strings.Split(body, "\x1e")
		for ; len(packets) > 0; packets = packets[2:] {
			want := string(appendMessage(nil, withAttachments(fmt.Appendf(nil, "4%d", i), [][]byte{fmt.Append(nil, i)})))
			if got := packets[0] + "\x1e" + packets[1]; got != want {
				t.Fatalf("message %d is %q, want %q", i, got, want)
			}
			i++
		}
	}
}

func TestWire35_VolatileNeedsAWaitingPoll(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{}, a)
	p := s.poller(t)
	session := a.next(t)
	if session.Writable() || session.SendVolatile(wire.Text([]byte("4lost"))) {
		t.Error("volatile was queued though no poll waits")
	}
	bodies := make(chan string)
	go func() { bodies <- p.poll() }()
	waitPolling(t, session, true)
	if !session.Writable() || !session.SendVolatile(wire.Text([]byte("4x"))) {
		t.Error("volatile was dropped though a poll waits")
	}
	if got := testkit.Receive(t, bodies, "poll"); got != "4x" {
		t.Errorf("poll is %q", got)
	}
	if got := s.Stats().VolatileDropped; got != 1 {
		t.Errorf("%d counted as dropped, want 1", got)
	}
}

func TestWire37_OverlappingPolls(t *testing.T) {
	a := newApp()
	p := start(t, conn.Config{}, a).poller(t)
	session := a.next(t)
	bodies := make(chan string)
	go func() { bodies <- p.poll() }()
	waitPolling(t, session, true)
	res, _ := p.do(http.MethodGet, "", "")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("second poll: %d, want 400", res.StatusCode)
	}
	if got := testkit.Receive(t, bodies, "poll"); got != "1" {
		t.Errorf("first poll is %q, want a close packet", got)
	}
	a.mustClose(t, conn.ReasonTransportError)
	p.mustBeGone()
}

func TestWire37_OverlappingPosts(t *testing.T) {
	a := newApp()
	inside, leave := make(chan bool), make(chan bool)
	a.text = func(*Session, []byte) error { inside <- true; <-leave; return nil }
	p := start(t, conn.Config{}, a).poller(t)
	first := make(chan int)
	go func() { first <- p.post("4x") }()
	testkit.Receive(t, inside, "message")
	if status := p.post("4y"); status != http.StatusBadRequest {
		t.Errorf("second post: %d, want 400", status)
	}
	close(leave)
	testkit.Receive(t, first, "answer")
	a.mustClose(t, conn.ReasonTransportError)
	p.mustBeGone()
}

func TestWire37_CancelledPoll(t *testing.T) {
	a := newApp()
	p := start(t, conn.Config{}, a).poller(t)
	session := a.next(t)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.site.url(p.query()), nil)
	gone := make(chan error)
	go func() {
		_, err := p.http.Do(req)
		gone <- err
	}()
	waitPolling(t, session, true)
	cancel()
	testkit.Receive(t, gone, "end of the request")
	a.mustClose(t, conn.ReasonTransportError)
	p.mustBeGone()
}

func TestClientClosesPolling(t *testing.T) {
	a := newApp()
	p := start(t, conn.Config{}, a).poller(t)
	session := a.next(t)
	bodies := make(chan string)
	go func() { bodies <- p.poll() }()
	waitPolling(t, session, true)
	if status := p.post("1"); status != http.StatusOK {
		t.Errorf("post: %d", status)
	}
	if got := testkit.Receive(t, bodies, "poll"); got != "6" {
		t.Errorf("waiting poll is %q, want a noop", got)
	}
	a.mustClose(t, conn.ReasonTransportClose)
	p.mustBeGone()
}

// TestPollBehindTheClosePacket: a client sends both at once, and they arrive in the wrong order.
func TestPollBehindTheClosePacket(t *testing.T) {
	a := newApp()
	p := start(t, conn.Config{CloseTimeout: time.Hour}, a).poller(t)
	p.post("1")
	a.mustClose(t, conn.ReasonTransportClose)
	if got := p.poll(); got != "6" {
		t.Errorf("poll is %q, want a noop", got)
	}
	p.mustBeGone()
	other := p.site.poller(t)
	other.post("1")
	testkit.Until(t, "end", func() bool { return p.site.session(other.sid) == nil })
}

func TestWire31_CloseDeliversByPolling(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		t.Run(fmt.Sprintf("waiting=%v", waiting), func(t *testing.T) {
			a := newApp()
			p := start(t, conn.Config{}, a).poller(t)
			session := a.next(t)
			bodies := make(chan string, 1)
			if waiting {
				go func() { bodies <- p.poll() }()
				waitPolling(t, session, true)
			}
			session.c.BeginBatch() // both must be in one payload for the test to be exact
			session.Reply(wire.Text([]byte("4bye")))
			session.Close(conn.ReasonForcedClose)
			session.c.EndBatch(0, 0, nil, nil)
			if status := p.post("4late"); status != http.StatusOK && !waiting {
				t.Errorf("a post while the last poll is awaited: %d", status)
			}
			if !waiting {
				bodies <- p.poll()
			}
			want := "4bye\x1e1"
			if !waiting { // as from the reference
				want = "4bye"
			}
			if got := testkit.Receive(t, bodies, "poll"); got != want {
				t.Errorf("poll is %q, want %q", got, want)
			}
			if !waiting {
				if got := p.poll(); got != "6\x1e1" {
					t.Errorf("the last poll is %q", got)
				}
			}
			a.mustClose(t, conn.ReasonForcedClose)
			testkit.Until(t, "end", func() bool { return p.site.session(p.sid) == nil })
			p.mustBeGone()
		})
	}
}

func TestPanicEndsOneSession(t *testing.T) {
	a := newApp()
	a.text = func(*Session, []byte) error { panic("in a handler") }
	s := start(t, conn.Config{}, a)
	p, c := s.poller(t), s.connect(t)
	if status := p.post("4x"); status != http.StatusBadRequest {
		t.Errorf("post: %d", status)
	}
	a.mustClose(t, conn.ReasonInternalError)
	testkit.Write(t, c, "4x")
	if code := testkit.ReadUntilClosed(t, c); code != 1011 {
		t.Errorf("close code %d, want %d", code, 1011)
	}
	a.mustClose(t, conn.ReasonInternalError)
}
