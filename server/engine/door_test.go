package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"signalbox/server/wire"
)

// visitor receives for a plain websocket in tests: it echoes.
type visitor struct {
	ws     *WebSocket
	closed chan Reason
}

func (v *visitor) Text(data []byte) error {
	switch string(data) {
	case "refuse":
		return errors.New("refused")
	case "bye":
		v.ws.CloseWith(ReasonForcedClose, 4001, "as you wish")
	case "panic":
		panic("in a handler")
	}
	return v.ws.Reply(wire.Text(data))
}
func (v *visitor) Binary(data []byte) error { return v.ws.Reply(wire.Binary(data)) }
func (v *visitor) Closed(r Reason)          { v.closed <- r }
func (v *visitor) Names() (id, user string) { return "7", "ada" }

// closedTo is a channel of ends.
type closedTo chan Reason

func (c closedTo) Closed(r Reason) { c <- r }

func (c closedTo) Names() (id, user string) { return "7", "ada" }

// doors serves plain websockets at /ws, streams at /sse and the engine elsewhere.
type doors struct {
	*Server
	streams chan *Stream
	closed  chan Reason
	results chan error
}

func (d *doors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		place, err := d.Reserve(w, r)
		if err == nil {
			err = place.WebSocket(WebSocketOptions{MaxPayloadBytes: 1000}, func(ws *WebSocket) Receiver {
				if r.URL.Query().Has("unwanted") {
					return nil
				}
				return &visitor{ws, d.closed}
			})
			place.Cancel() // does nothing any more
		}
		d.results <- err
	case "/sse":
		place, err := d.Reserve(w, r)
		if err != nil {
			d.results <- err
			return
		}
		if r.URL.Query().Has("unwanted") {
			place.Cancel()
			w.WriteHeader(http.StatusTeapot)
			return
		}
		st, err := place.Stream(StreamOptions{
			Header:            http.Header{"Content-Type": {"text/event-stream"}},
			KeepAlive:         wire.Raw([]byte(":\n\n")),
			KeepAliveInterval: 15 * time.Second,
		}, closedTo(d.closed))
		if d.results <- err; err == nil {
			d.streams <- st
		}
	default:
		d.Server.ServeHTTP(w, r)
	}
}

func newDoors(cfg Config) *doors {
	setDefault(&cfg.CloseTimeout, 500*time.Millisecond)
	return &doors{New(cfg, newApp().accept), make(chan *Stream, 100), make(chan Reason, 100), make(chan error, 100)}
}

func startDoors(t testing.TB, cfg Config) (*doors, string) {
	d := newDoors(cfg)
	web := httptest.NewServer(d)
	t.Cleanup(func() {
		if err := d.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return d, web.URL
}

func dialPlain(t testing.TB, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestPlainWebSocket(t *testing.T) {
	tests := map[string]struct {
		send   string
		code   int
		reason Reason
	}{
		"closed by the handler":  {"bye", 4001, ReasonForcedClose},
		"refused by the handler": {"refuse", closePolicy, ReasonParseError},
		"panic":                  {"panic", closeInternal, ReasonInternalError},
		"too long":               {strings.Repeat("x", 1001), closeTooBig, ReasonPayloadTooLarge},
	}
	d, url := startDoors(t, Config{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := dialPlain(t, url+"/ws")
			if err := receive(t, d.results, "result"); err != nil {
				t.Fatal(err)
			}
			for _, message := range []string{"hello", "", strings.Repeat("x", 1000)} {
				write(t, c, message)
				if got := read(t, c); got != message {
					t.Errorf("echo of %q is %q", message, got)
				}
			}
			write(t, c, test.send)
			if code := readUntilClosed(t, c); code != test.code {
				t.Errorf("close code %d, want %d", code, test.code)
			}
			if got := receive(t, d.closed, "end"); got != test.reason {
				t.Errorf("ended by %v, want %v", got, test.reason)
			}
		})
	}
	t.Run("unwanted", func(t *testing.T) {
		if code := readUntilClosed(t, dialPlain(t, url+"/ws?unwanted")); code != closeNormal {
			t.Errorf("close code %d", code)
		}
	})
}

func TestPlainWebSocketRefused(t *testing.T) {
	d, url := startDoors(t, Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" }})
	for status, header := range map[int][]string{
		http.StatusBadRequest: nil,
		http.StatusForbidden:  append(upgradeHeader(), "Origin", "http://evil"),
	} {
		req, _ := http.NewRequest("GET", url+"/ws", nil)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("status %d, want %d", res.StatusCode, status)
		}
		if err := receive(t, d.results, "result"); !errors.Is(err, ErrRefused) {
			t.Errorf("error %v", err)
		}
	}
}

// TestCutClientsAreNamed at level debug; those that leave, or are sent away, are not.
func TestCutClientsAreNamed(t *testing.T) {
	lines := new(logLines)
	d, url := startDoors(t, Config{Log: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	s := &site{d.Server, strings.TrimPrefix(url, "http://"), nil}
	for _, last := range []string{"bye", "refuse"} {
		c := dialPlain(t, url+"/ws")
		receive(t, d.results, "result")
		write(t, c, last)
		readUntilClosed(t, c)
		receive(t, d.closed, "end")
	}
	dialPlain(t, url+"/ws").CloseNow()
	receive(t, d.closed, "end")
	c := s.dial(t, "EIO=4&transport=websocket")
	sid := sidOf(t, read(t, c))
	write(t, c, "2")
	readUntilClosed(t, c)
	want := []string{
		`msg="client was cut" client=7 user=ada addr=127.0.0.1 reason="parse error"`,
		`msg="client was cut" sid=` + sid + ` addr=127.0.0.1 reason="transport error"`,
	}
	until(t, "lines", func() bool { return len(lines.cut()) == 2 })
	for i, line := range lines.cut() {
		if !strings.Contains(line, want[i]) {
			t.Errorf("line %q, want %q", line, want[i])
		}
	}
}

// logLines collects what is logged.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) cut() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, "was cut") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestStream(t *testing.T) {
	d, url := startDoors(t, Config{})
	open := func() (*Stream, *http.Response, *bufio.Reader) {
		res, err := http.Get(url + "/sse")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return receive(t, d.streams, "stream"), res, bufio.NewReader(res.Body)
	}
	t.Run("closed by the server", func(t *testing.T) {
		st, res, body := open()
		if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type %q", got)
		}
		if sent, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(sent) > patience {
			t.Errorf("Date %q, %v", res.Header.Get("Date"), err)
		}
		for range 1000 {
			if err := st.Send(wire.Raw([]byte("data: x\n\n"))); err != nil {
				t.Fatal(err)
			}
		}
		st.Close(ReasonForcedClose)
		all, err := io.ReadAll(body)
		if err != nil || string(all) != strings.Repeat("data: x\n\n", 1000) {
			t.Errorf("%d bytes, error %v", len(all), err)
		}
		if got := receive(t, d.closed, "end"); got != ReasonForcedClose {
			t.Errorf("ended by %v", got)
		}
		if err := st.Send(wire.Raw([]byte("late"))); err != ErrClosed {
			t.Errorf("Send() = %v", err)
		}
	})
	t.Run("closed by the client", func(t *testing.T) {
		_, res, _ := open()
		res.Body.Close()
		if got := receive(t, d.closed, "end"); got != ReasonTransportClose {
			t.Errorf("ended by %v", got)
		}
	})
	t.Run("talked to", func(t *testing.T) {
		s := &site{addr: strings.TrimPrefix(url, "http://")}
		r := s.raw(t)
		r.send([]byte("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n"), make([]byte, 2*maxStreamInput))
		if got := receive(t, d.closed, "end"); got != ReasonTransportClose {
			t.Errorf("ended by %v", got)
		}
	})
}

func TestDoorsBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Config{})
		b := &bubble{d.Server, t, &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, &http.Server{Handler: d}}
		go b.web.Serve(b.pipes)
		defer b.stop()

		stream := b.raw()
		began := time.Now()
		stream.send([]byte("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n"))
		stream.head(http.StatusOK)
		ws := b.raw()
		ws.send([]byte(strings.Replace(upgradeRequest(""), "/socket.io/?", "/ws", 1)))
		ws.head(http.StatusSwitchingProtocols)

		line, err := stream.ReadString('\n')
		if line != ":\n" || err != nil || time.Since(began) != 15*time.Second {
			t.Errorf("got %q, %v after %v", line, err, time.Since(began))
		}
		stream.Close()
		if op, _ := ws.frame(); op != opPing || time.Since(began) != 25*time.Second {
			t.Errorf("got %v after %v", op, time.Since(began))
		}
		ws.send(frame(opPong, true, nil))
		if op, _ := ws.frame(); op != opPing || time.Since(began) != 50*time.Second {
			t.Errorf("got %v after %v", op, time.Since(began))
		}
		if got := codeOf(ws.mustEnd()); got != closePolicy || time.Since(began) != 70*time.Second {
			t.Errorf("close code %d after %v", got, time.Since(began))
		}
		synctest.Wait()
		for _, want := range []Reason{ReasonTransportClose, ReasonPingTimeout} {
			if got := <-d.closed; got != want {
				t.Errorf("ended by %v, want %v", got, want)
			}
		}
	})
}

func TestLimitsHoldForDoors(t *testing.T) {
	d, url := startDoors(t, Config{MaxConnections: 1})
	first := dialPlain(t, url+"/ws")
	write(t, first, "in") // its echo tells that the handshake is over on the server too
	if got := read(t, first); got != "in" {
		t.Errorf("echo is %q", got)
	}
	if _, _, err := websocket.Dial(t.Context(), url+"/ws", nil); err == nil {
		t.Error("a second websocket was accepted")
	}
	res, err := http.Get(url + "/sse")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("stream: %d", res.StatusCode)
	}
	if got := d.Stats(); got.WebSockets != 1 || got.Refused["limit"] != 2 || got.WebSocketsOpened != 1 {
		t.Errorf("stats %+v", got)
	}
}
