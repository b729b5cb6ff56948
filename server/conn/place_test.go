package conn

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"signalbox/server/conn/testkit"
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

// doors serves plain websockets at /ws and streams at /sse.
type doors struct {
	*Server
	streams chan *Stream
	closed  chan Reason
	results chan error
}

func (d *doors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		place, err := d.Reserve(w, r, 1)
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
		place, err := d.Reserve(w, r, 1)
		if err != nil {
			d.results <- err
			return
		}
		if r.URL.Query().Has("unwanted") {
			place.Cancel()
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		st, err := place.Stream(StreamOptions{
			KeepAlive:         wire.Raw([]byte(":\n\n")),
			KeepAliveInterval: 15 * time.Second,
		}, closedTo(d.closed))
		if d.results <- err; err == nil {
			d.streams <- st
		}
	}
}

func newDoors(cfg Config) *doors {
	setDefault(&cfg.CloseTimeout, 500*time.Millisecond)
	return &doors{New(cfg), make(chan *Stream, 100), make(chan Reason, 100), make(chan error, 100)}
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
			c := testkit.Dial(t, url+"/ws")
			if err := testkit.Receive(t, d.results, "result"); err != nil {
				t.Fatal(err)
			}
			for _, message := range []string{"hello", "", strings.Repeat("x", 1000)} {
				testkit.Write(t, c, message)
				if got := testkit.Read(t, c); got != message {
					t.Errorf("echo of %q is %q", message, got)
				}
			}
			testkit.Write(t, c, test.send)
			if code := testkit.ReadUntilClosed(t, c); code != test.code {
				t.Errorf("close code %d, want %d", code, test.code)
			}
			if got := testkit.Receive(t, d.closed, "end"); got != test.reason {
				t.Errorf("ended by %v, want %v", got, test.reason)
			}
		})
	}
	t.Run("unwanted", func(t *testing.T) {
		if code := testkit.ReadUntilClosed(t, testkit.Dial(t, url+"/ws?unwanted")); code != closeNormal {
			t.Errorf("close code %d", code)
		}
	})
}

func TestPlainWebSocketRefused(t *testing.T) {
	d, url := startDoors(t, Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" }})
	for status, header := range map[int][]string{
		http.StatusBadRequest: nil,
		http.StatusForbidden:  append(testkit.UpgradeHeader(), "Origin", "http://evil"),
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
		if err := testkit.Receive(t, d.results, "result"); !errors.Is(err, ErrRefused) {
			t.Errorf("error %v", err)
		}
	}
}

// TestCutClientsAreNamed at level debug; those that leave, or are sent away, are not.
func TestCutClientsAreNamed(t *testing.T) {
	lines := new(logLines)
	d, url := startDoors(t, Config{Log: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for _, last := range []string{"bye", "refuse"} {
		c := testkit.Dial(t, url+"/ws")
		testkit.Receive(t, d.results, "result")
		testkit.Write(t, c, last)
		testkit.ReadUntilClosed(t, c)
		testkit.Receive(t, d.closed, "end")
	}
	testkit.Dial(t, url+"/ws").CloseNow()
	testkit.Receive(t, d.closed, "end")
	want := `msg="client was cut" client=7 user=ada addr=127.0.0.1 reason="parse error"`
	if got := lines.cut(); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("lines %q, want %q", got, want)
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
		return testkit.Receive(t, d.streams, "stream"), res, bufio.NewReader(res.Body)
	}
	t.Run("closed by the server", func(t *testing.T) {
		st, res, body := open()
		if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type %q", got)
		}
		if sent, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(sent) > testkit.Patience {
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
		if got := testkit.Receive(t, d.closed, "end"); got != ReasonForcedClose {
			t.Errorf("ended by %v", got)
		}
		if err := st.Send(wire.Raw([]byte("late"))); err != ErrClosed {
			t.Errorf("Send() = %v", err)
		}
	})
	t.Run("closed by the client", func(t *testing.T) {
		_, res, _ := open()
		res.Body.Close()
		if got := testkit.Receive(t, d.closed, "end"); got != ReasonTransportClose {
			t.Errorf("ended by %v", got)
		}
	})
	t.Run("talked to", func(t *testing.T) {
		r := testkit.DialRaw(t, strings.TrimPrefix(url, "http://"))
		r.Send([]byte("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n"), make([]byte, 2*maxStreamInput))
		if got := testkit.Receive(t, d.closed, "end"); got != ReasonTransportClose {
			t.Errorf("ended by %v", got)
		}
	})
}

func TestDoorsBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(Config{})
		pipes := testkit.NewPipes()
		web := &http.Server{Handler: d}
		go web.Serve(pipes)
		defer func() {
			if err := d.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown() = %v", err)
			}
			web.Close()
			synctest.Wait()
		}()

		stream := pipes.Dial(t)
		began := time.Now()
		stream.Send([]byte("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n"))
		stream.Head(http.StatusOK)
		ws := pipes.Dial(t)
		ws.Send([]byte(testkit.UpgradeRequest("/ws")))
		ws.Head(http.StatusSwitchingProtocols)

		line, err := stream.ReadString('\n')
		if line != ":\n" || err != nil || time.Since(began) != 15*time.Second {
			t.Errorf("got %q, %v after %v", line, err, time.Since(began))
		}
		stream.Close()
		if op, _ := ws.Frame(); op != testkit.Ping || time.Since(began) != 25*time.Second {
			t.Errorf("got %v after %v", op, time.Since(began))
		}
		ws.Send(testkit.Frame(testkit.Pong, true, nil))
		if op, _ := ws.Frame(); op != testkit.Ping || time.Since(began) != 50*time.Second {
			t.Errorf("got %v after %v", op, time.Since(began))
		}
		if got := testkit.CodeOf(ws.MustEnd()); got != closePolicy || time.Since(began) != 70*time.Second {
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
	first := testkit.Dial(t, url+"/ws")
	testkit.Write(t, first, "in") // its echo tells that the handshake is over on the server too
	if got := testkit.Read(t, first); got != "in" {
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

// TestSubprotocols: a client that offers some fails where none is taken.
func TestSubprotocols(t *testing.T) {
	d, url := startDoors(t, Config{})
	for offer, want := range map[string]string{"first, second": "first", "only": "only", " , x": "", `b"d`: "", "": ""} {
		req, _ := http.NewRequest("GET", url+"/ws", nil)
		for i, h := 0, testkit.UpgradeHeader(); i < len(h); i += 2 {
			req.Header.Set(h[i], h[i+1])
		}
		if offer != "" {
			req.Header.Set("Sec-WebSocket-Protocol", offer)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Sec-WebSocket-Protocol"); res.StatusCode != 101 || got != want {
			t.Errorf("offered %q: %d %q, want %q", offer, res.StatusCode, got, want)
		}
		testkit.Receive(t, d.results, "result")
	}
}
