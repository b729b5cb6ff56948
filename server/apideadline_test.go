package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/config"
	"signalbox/handlers/broker"
	"signalbox/handlers/publish"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

const apiTestKey = "the key of this test"

// runAPI runs a whole server with the handlers of "/" and the API.
func runAPI(t *testing.T, cfg config.Config) *running {
	t.Helper()
	cfg.APIKey = apiTestKey
	h, users := hub.New(), store.NewMemory()
	root := broker.New(h, nil, quiet)
	s, err := New(Options{Config: cfg, Log: quiet, Version: "test", Hub: h, Handlers: map[string]app.Handler{"/": root},
		API: &APIParts{Publisher: publish.New(h, hub.Alone, nil), Presence: nobody{}, Tickets: store.NewMemoryTickets(0, 0), Lobbies: users}})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, s)
}

// post writes a POST by hand on a connection that is kept, and returns status and body of the answer.
func post(t testing.TB, conn net.Conn, in *bufio.Reader, path, body string, length int) (int, string) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", path, apiTestKey, length, body)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// TestAnswersMayTakeLongerThanABody waits for answers beyond BODY_READ_TIMEOUT, and uses the connection again.
func TestAnswersMayTakeLongerThanABody(t *testing.T) {
	cfg := localConfig()
	cfg.BodyReadTimeout = 100 * time.Millisecond
	r := runAPI(t, cfg)
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(r.url("/socket.io/?EIO=4&transport=websocket"), "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("40")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the handshake, and that the namespace is connected
		if _, _, err := ws.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	const ask = `{"event":"silence","ack":true,"timeoutMs":400}`
	const nothing = `{"ok":true,"delivered":1,"answers":[],"missing":1}`
	for range 2 {
		begin := time.Now()
		status, body := post(t, conn, in, "/api/emit", ask, len(ask))
		if took := time.Since(begin); status != 200 || body != nothing || took < 400*time.Millisecond {
			t.Errorf("emit = %d %s after %v, want %s after 400ms", status, body, took, nothing)
		}
	}
}

func TestSlowAPIBodyIsAnswered(t *testing.T) {
	cfg := localConfig()
	cfg.BodyReadTimeout = 100 * time.Millisecond
	r := runAPI(t, cfg)
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	status, body := post(t, conn, bufio.NewReader(conn), "/api/emit", `{"event":`, 100)
	if status != http.StatusRequestTimeout || !strings.Contains(body, `"code":"timeout"`) {
		t.Errorf("emit with half a body = %d %s", status, body)
	}
}

// BenchmarkAPIPublish is publishes over one kept connection through the whole server, client included.
func BenchmarkAPIPublish(b *testing.B) {
	cfg := localConfig()
	cfg.APIKey = apiTestKey
	h := hub.New()
	s, err := New(Options{Config: cfg, Log: quiet, Version: "test", Hub: h,
		API: &APIParts{Publisher: publish.New(h, hub.Alone, nil), Presence: nobody{}, Tickets: store.NewMemoryTickets(0, 0), Lobbies: store.NewMemory()}})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(s.listener) }() // awaited below
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	const message = `{"type":"order","data":{"id":12345,"state":"shipped","lines":[{"sku":"a-1","count":2}]}}`
	request := fmt.Appendf(nil, "POST /api/publish/user:42 HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", apiTestKey, len(message), message)
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		n, err := conn.Read(buf) // an answer is one write, and fits
		if err != nil || !bytes.HasSuffix(buf[:n], []byte(`{"ok":true,"delivered":0}`)) {
			b.Fatalf("answer %q, %v", buf[:n], err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
	conn.Close()
	s.Close()
	_ = s.http.Close()
	<-done
}
