package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAddrIsKnownBeforeRun(t *testing.T) {
	s := newTestServer(t, localConfig(), &fakeDoor{})
	if addr := s.Addr().(*net.TCPAddr); addr.Port == 0 || !addr.IP.IsLoopback() {
		t.Errorf("Addr() = %v, want a port of the loopback interface", addr)
	}
}

// TestDrain follows a shutdown step by step.
func TestDrain(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	poll := make(chan struct{}) // a long poll that the door ends
	var steps []string
	door := &fakeDoor{
		serve: func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-poll
			_, _ = io.WriteString(w, "1")
		},
		shutdown: func(context.Context) error {
			close(entered)
			<-leave
			steps = append(steps, "door")
			close(poll)
			return nil
		},
	}
	s := runServer(t, localConfig(), door)
	s.OnClose(func() { steps = append(steps, "first") })
	s.OnClose(func() { steps = append(steps, "second") })

	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func() string {
		fmt.Fprint(conn, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		return fmt.Sprint(res.StatusCode, " ", string(body))
	}
	if got := ask(); got != "200 ready" {
		t.Errorf("/readyz before = %s, want 200 ready", got)
	}
	open, err := http.Get(s.url("/socket.io/"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()

	s.stop()
	<-entered
	if got := ask(); got != "503 draining" {
		t.Errorf("/readyz while draining = %s, want 503 draining", got)
	}
	if res, _ := s.get(t, "/readyz"); res.StatusCode != 503 {
		t.Errorf("/readyz on a new connection while draining = %d, want 503", res.StatusCode)
	}
	close(leave)
	if body, err := io.ReadAll(open.Body); err != nil || string(body) != "1" {
		t.Errorf("the open poll got %q, %v, want the door's last word", body, err)
	}
	if err := <-s.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is open after Run")
	}
	if want := []string{"door", "second", "first"}; !slices.Equal(steps, want) {
		t.Errorf("closed in the order %v, want %v", steps, want)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection after Run: %v, want EOF", err)
	}
}

// TestDrainDeadline has a door and a request that never end by themselves.
func TestDrainDeadline(t *testing.T) {
	cfg := localConfig()
	cfg.ShutdownTimeout = 200 * time.Millisecond
	began := make(chan struct{})
	s := runServer(t, cfg, &fakeDoor{
		serve: func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
		},
		shutdown: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	})
	closed := false
	s.OnClose(func() { closed = true })
	failed := make(chan error, 1)
	go func() { // awaited below
		res, err := http.Get(s.url("/socket.io/"))
		if err == nil {
			res.Body.Close()
		}
		failed <- err
	}()
	<-began
	start := time.Now()
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("Run = %v, want nil: the deadline is part of a normal end", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Run took %v to stop, want about 200ms", took)
	}
	if err := <-failed; err == nil {
		t.Error("the request that hung was answered")
	}
	if !closed {
		t.Error("handlers were not closed")
	}
}

// TestDrainDoesNotWaitForSilentConnections has connections on which no whole request ever came.
func TestDrainDoesNotWaitForSilentConnections(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{})
	for _, text := range []string{"", "GET / HT"} {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	s.get(t, "/healthz") // connections are accepted in order, so the silent ones have been too
	start := time.Now()
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("Run took %v to stop, want it not to wait for connections without a request", took)
	}
}

func TestRunReportsListenerFault(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{})
	res, _ := s.get(t, "/healthz") // it serves
	if res.StatusCode != 200 {
		t.Fatalf("/healthz = %d", res.StatusCode)
	}
	s.listener.Close()
	if err := <-s.done; err == nil || !strings.Contains(err.Error(), "accept connections") {
		t.Errorf("Run with a listener that failed = %v, want an error", err)
	}
}

// TestSlowHeadersAreCut covers idle TCP without a request, slowloris headers, and a header that is too large.
func TestSlowHeadersAreCut(t *testing.T) {
	cfg := localConfig()
	cfg.HeaderReadTimeout = 100 * time.Millisecond
	s := runServer(t, cfg, &fakeDoor{})
	for name, tt := range map[string]struct {
		send string
		want string
	}{
		"no request at all":  {"", ""},
		"half a header":      {"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""},
		"header of 32 KB":    {"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", "HTTP/1.1 431"},
		"url of 32 KB":       {"GET /?" + strings.Repeat("x", 32<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 431"},
		"second request cut": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he", "HTTP/1.1 200"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, tt.send) // the server may have closed already
			got, err := io.ReadAll(conn)         // returns when the server closes
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatal("the connection is still open after 10s, want it cut after 100ms")
			}
			if !strings.HasPrefix(string(got), tt.want) {
				t.Errorf("answer = %.60q, want %q", got, tt.want)
			}
		})
	}
}

// TestSlowBodyIsCut sends a body that never ends to a route that does not read it.
func TestSlowBodyIsCut(t *testing.T) {
	cfg := localConfig()
	cfg.BodyReadTimeout = 100 * time.Millisecond
	s := runServer(t, cfg, &fakeDoor{})
	for name, head := range map[string]string{
		"with a length": "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nxx",
		"chunked":       "POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, head); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") || !strings.HasPrefix(string(got), "HTTP/1.1 404") {
				t.Errorf("answer = %.60q, %v, want 404 and the connection closed", got, err)
			}
		})
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	taken := make(chan net.Conn, 1)
	s := runServer(t, localConfig(), &fakeDoor{serve: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		taken <- conn
	}})
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /socket.io/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	mine := <-taken
	defer mine.Close()
	if all, n, _ := s.listener.Open(); n != 0 || all != 1 {
		t.Errorf("%d connections and %d of HTTP with one that was taken over, want 1 and 0", all, n)
	}
	// The answer to this request is counted after its handler returned; the scrape comes later on another connection.
	_, body := s.get(t, "/metrics")
	if !strings.Contains(body, "signalbox_http_connections 1\n") {
		t.Error("/metrics does not count its own connection")
	}
}

// TestReadyWhileDegraded has something amiss that other servers may not have.
func TestReadyWhileDegraded(t *testing.T) {
	fault := ""
	idle := newTestServer(t, localConfig(), &fakeDoor{})
	idle.OnReady(func() string { return fault })
	s := start(t, idle)
	if res, body := s.get(t, "/readyz"); res.StatusCode != 200 || body != "ready" {
		t.Errorf("/readyz = %d %q, want 200 ready", res.StatusCode, body)
	}
	fault = "redis is away"
	if res, body := s.get(t, "/readyz"); res.StatusCode != 503 || body != fault {
		t.Errorf("/readyz = %d %q, want 503 and the fault", res.StatusCode, body)
	}
	if res, _ := s.get(t, "/healthz"); res.StatusCode != 200 {
		t.Errorf("/healthz = %d, want 200: the process lives", res.StatusCode)
	}
}
