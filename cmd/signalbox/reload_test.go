//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/listen/certtest"
)

// logged collects the log of a process, for tests that wait for a line.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits for the nth line with a text.
func (l *logged) await(t *testing.T, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); strings.Count(l.String(), text) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has no %s:\n%s", text, l)
		}
	}
}

// TestReload has a running server read its file again: what needs no restart is taken, clients stay, and a file with a
// fault changes nothing.
func TestReload(t *testing.T) {
	file, cert := filepath.Join(t.TempDir(), "s.yaml"), certtest.New(t)
	set := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("API_KEY: 0123456789abcdef\nJWT_SECRET: 0123456789abcdef\nALLOWED_ORIGINS: https://old.example.com\nMETRICS_TOKEN: old-old-old-old-old\n")
	log := new(logged)
	p := startProcessTo(t, log, "CONFIG="+file, "TLS_CERT_FILE="+cert.Cert, "TLS_KEY_FILE="+cert.Key)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cert.Client(), DisableKeepAlives: true}}
	ask := func(path string, header ...string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	const handshake = "/socket.io/?EIO=4&transport=polling"
	state := func(want map[string]int, when string) {
		t.Helper()
		for name, got := range map[string]int{
			"old key":    ask("/api/rooms", "X-Api-Key", "0123456789abcdef"),
			"new key":    ask("/api/rooms", "X-Api-Key", "fedcba9876543210"),
			"old origin": ask(handshake, "Origin", "https://old.example.com"),
			"new origin": ask(handshake, "Origin", "https://new.example.com"),
			"old token":  ask("/metrics", "Authorization", "Bearer old-old-old-old-old"),
			"new token":  ask("/metrics", "Authorization", "Bearer new-new-new-new-new"),
		} {
			if got != want[name] {
				t.Errorf("%s: %s = %d, want %d", when, name, got, want[name])
			}
		}
	}
	before := map[string]int{"old key": 200, "new key": 401, "old origin": 200, "new origin": 403, "old token": 200, "new token": 401}
	after := map[string]int{"old key": 401, "new key": 200, "old origin": 403, "new origin": 200, "old token": 401, "new token": 200}
	state(before, "at first")
	dial := func() (*websocket.Conn, error) {
		one := cert.Client()
		one.NextProtos = []string{"http/1.1"}
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(p.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket",
			&websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: one}}})
		return ws, err
	}
	ws, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()

	set("API_KEY: fedcba9876543210\nMAX_ROOMS_PER_CLIENT: x\n")
	send(t, p, syscall.SIGHUP)
	log.await(t, "nothing has changed", 1)
	state(before, "after a file with a fault")

	cert.Renew(t)
	if err := os.WriteFile(cert.Key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := "API_KEY: fedcba9876543210\nJWT_SECRET: fedcba9876543210\nALLOWED_ORIGINS: https://new.example.com\n" +
		"METRICS_TOKEN: new-new-new-new-new\nMAX_PAYLOAD_BYTES: 4321\nCOMPRESS_BYTES: 1024\nMAX_OUTBOX_BYTES: 54321\nMAX_CONNECTIONS_PER_IP: 1\n" +
		"LOG_LEVEL: debug\nPING_INTERVAL: 30s\n"
	set(fresh)
	send(t, p, syscall.SIGHUP)
	log.await(t, "a certificate that cannot be used: nothing has changed", 1)

	cert.Renew(t)
	send(t, p, syscall.SIGHUP)
	log.await(t, `took="ALLOWED_ORIGINS JWT_SECRET MAX_PAYLOAD_BYTES COMPRESS_BYTES MAX_OUTBOX_BYTES MAX_CONNECTIONS_PER_IP API_KEY LOG_LEVEL METRICS_TOKEN" needRestart=PING_INTERVAL`, 1)
	client.Transport.(*http.Transport).TLSClientConfig = cert.Client()
	large := func() int {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", p.url+"/api/publish/broadcast", strings.NewReader(`{"x":"`+strings.Repeat("x", 5000)+`"}`))
		req.Header.Set("X-Api-Key", "fedcba9876543210")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if status := large(); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a call over the new limit = %d", status)
	}
	after["new origin"] = 403 // the limit: one client is there
	state(after, "after it")
	log.await(t, "level=DEBUG", 1)
	if _, err := dial(); err == nil {
		t.Error("MAX_CONNECTIONS_PER_IP=1 lets a second client in")
	}
	_, data, err := ws.Read(t.Context())
	if err != nil || !strings.HasPrefix(string(data), "0{") {
		t.Errorf("the client that was there reads %q, %v", data, err)
	}
	set(fresh + "MAX_CONNECTIONS: 100\n")
	set(strings.Replace(fresh, "MAX_CONNECTIONS_PER_IP: 1\n", "", 1))
	send(t, p, syscall.SIGHUP)
	log.await(t, "took=MAX_CONNECTIONS_PER_IP ", 1)
	second, err := dial()
	if err != nil {
		t.Fatalf("without the limit: %v", err)
	}
	defer second.CloseNow()
	if _, open, err := second.Read(t.Context()); !strings.Contains(string(open), `"maxPayload":4321`) {
		t.Errorf("a client that comes is told %s, %v", open, err)
	}
}

// TestReloadOfBackends: on SIGHUP events go to another URL, and workers need another key, while clients stay. What only the
// parts of the server can judge changes nothing where it is wrong.
func TestReloadOfBackends(t *testing.T) {
	backend := func(name string) string {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if signed := r.Header.Get("webhook-signature") != ""; signed != (name == "second") {
				t.Errorf("to the %s backend, signed: %t", name, signed)
			}
			if bytes.Contains(body, []byte(`"type":"connect"`)) {
				_, _ = io.WriteString(w, `{"results":[{}]}`)
				return
			}
			_, _ = io.WriteString(w, `{"results":[{"ack":["`+name+`"]}]}`)
		}))
		t.Cleanup(web.Close)
		return web.URL
	}
	first, second := backend("first"), backend("second")
	oldKey, newKey := strings.Repeat("o", 32), strings.Repeat("n", 32)
	file, log := filepath.Join(t.TempDir(), "s.yaml"), new(logged)
	set := func(lines ...string) {
		t.Helper()
		text := strings.Join(append(lines, "HOOKS_EVENTS: /game:*", "WORKER_EVENTS: /work:*"), "\n")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("HOOKS_URL: "+first, "WORKER_KEY: "+oldKey, "JWT_SECRET: "+apiTestSecret)
	p := startProcessTo(t, log, "CONFIG="+file)
	open := func(connect, want string) *websocket.Conn {
		t.Helper()
		ws := p.dial(t)
		write(t, ws, connect)
		readUntil(t, ws, want)
		return ws
	}
	player := open("40/game,", "40/game,")
	ask := func(want string) {
		t.Helper()
		write(t, player, `42/game,1["x"]`)
		readUntil(t, player, `43/game,1["`+want+`"]`)
	}
	ask("first")
	open(`40/backend,{"key":"`+oldKey+`"}`, "40/backend,")
	set("HOOKS_URL: "+second, "HOOKS_SECRET: whsec_short", "WORKER_KEY: "+newKey, "JWT_SECRET: "+apiTestSecret)
	send(t, p, syscall.SIGHUP)
	log.await(t, "nothing has changed", 1)
	set("HOOKS_URL: "+second, "WORKER_KEY: "+newKey, "JWT_SECRET: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	send(t, p, syscall.SIGHUP)
	log.await(t, "nothing has changed", 2)
	ask("first")
	set("HOOKS_URL: "+second, "HOOKS_SECRET: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "HOOKS_TIMEOUT: 5s", "WORKER_KEY: "+newKey, "JWT_SECRET: "+apiTestSecret)
	send(t, p, syscall.SIGHUP)
	log.await(t, `took="HOOKS_URL HOOKS_SECRET HOOKS_TIMEOUT WORKER_KEY" needRestart=""`, 1)
	ask("second")
	open(`40/backend,{"key":"`+oldKey+`"}`, `44/backend,{"message":"wrong key"}`)
	open(`40/backend,{"key":"`+newKey+`"}`, "40/backend,")
}
