package engine

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// bubble is an engine behind pipes. It must be made and used within synctest.Test, and stopped at its end.
type bubble struct {
	*server
	t     *testing.T
	pipes *testkit.Pipes
	web   *http.Server
}

func newBubble(t *testing.T, cfg conn.Config, a *app) *bubble {
	b := &bubble{newServer(cfg, a.accept), t, testkit.NewPipes(), nil}
	b.web = &http.Server{Handler: b.Server, ErrorLog: log.New(io.Discard, "", 0)}
	go b.web.Serve(b.pipes)
	return b
}

func (b *bubble) stop() {
	if err := b.Shutdown(context.Background()); err != nil {
		b.t.Errorf("Shutdown() = %v", err)
	}
	b.web.Close()
	synctest.Wait()
}

// raw opens a connection.
func (b *bubble) raw() *testkit.Raw { return b.pipes.Dial(b.t) }

// websocket begins a session on a websocket.
func (b *bubble) websocket() *testkit.Raw {
	r := b.raw()
	r.Send([]byte(upgradeRequest("EIO=4&transport=websocket")))
	r.Head(http.StatusSwitchingProtocols)
	if _, open := r.Frame(); open[0] != packetOpen {
		b.t.Fatalf("first frame is %q", open)
	}
	return r
}

// request makes an HTTP request on a connection of its own.
func (b *bubble) request(method, query, body string) (int, string) {
	r := b.raw()
	defer r.Close()
	req, err := http.NewRequest(method, "http://x/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Close = true
	go req.Write(r.Conn) // net.Pipe has no buffer: the server may answer before it has read all
	res, err := http.ReadResponse(r.Reader, req)
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, string(got)
}

func TestHeartbeatWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		b := newBubble(t, conn.Config{}, a)
		defer b.stop()
		began := time.Now()
		r := b.websocket()
		for i := range 3 {
			if _, got := r.Frame(); string(got) != "2" {
				t.Fatalf("got %q, want a ping", got)
			}
			if got, want := time.Since(began), time.Duration(i+1)*25*time.Second; got != want {
				t.Fatalf("ping %d after %v, want %v", i, got, want)
			}
			r.Send(testkit.TextFrame("3"))
		}
		if _, got := r.Frame(); string(got) != "2" {
			t.Fatalf("got %q, want a ping", got)
		}
		go r.MustEnd() // no pong any more
		if got := <-a.closed; got != conn.ReasonPingTimeout {
			t.Errorf("ended by %v", got)
		}
		if got, want := time.Since(began), 4*25*time.Second+20*time.Second; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
	})
}

func TestHeartbeatPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		b := newBubble(t, conn.Config{}, a)
		defer b.stop()
		began := time.Now()
		_, open := b.request("GET", pollingQuery, "")
		query := pollingQuery + "&sid=" + sidOf(t, open)
		for i := range 3 {
			if _, got := b.request("GET", query, ""); got != "2" {
				t.Fatalf("poll is %q, want a ping", got)
			}
			if got, want := time.Since(began), time.Duration(i+1)*25*time.Second; got != want {
				t.Fatalf("ping %d after %v, want %v", i, got, want)
			}
			if status, _ := b.request("POST", query, "3"); status != http.StatusOK {
				t.Fatalf("post: %d", status)
			}
		}
		time.Sleep(45 * time.Second)
		if status, _ := b.request("GET", query, ""); status != http.StatusBadRequest {
			t.Errorf("poll after the ping timeout: %d", status)
		}
		if got := <-a.closed; got != conn.ReasonPingTimeout {
			t.Errorf("ended by %v", got)
		}
	})
}

func TestWire39_EarlyPongDoesNotPutOffThePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, conn.Config{}, newApp())
		defer b.stop()
		began := time.Now()
		r := b.websocket()
		time.Sleep(20 * time.Second)
		r.Send(testkit.TextFrame("3"))
		if _, got := r.Frame(); string(got) != "2" || time.Since(began) != 25*time.Second {
			t.Errorf("got %q after %v", got, time.Since(began))
		}
		go r.MustEnd()
	})
}

func TestWire36_UpgradeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, conn.Config{}, newApp().echo())
		defer b.stop()
		_, open := b.request("GET", pollingQuery, "")
		sid := sidOf(t, open)
		began := time.Now()
		r := b.raw()
		r.Send([]byte(upgradeRequest("EIO=4&transport=websocket&sid=" + sid)))
		r.Head(http.StatusSwitchingProtocols)
		r.Send(testkit.TextFrame("2probe"))
		if _, got := r.Frame(); string(got) != "3probe" {
			t.Fatalf("got %q", got)
		}
		r.MustEnd()
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("the upgrade was given up after %v", got)
		}
		query := pollingQuery + "&sid=" + sid
		b.request("POST", query, "4x")
		if _, got := b.request("GET", query, ""); got != "4x" {
			t.Errorf("poll is %q", got)
		}
	})
}

// TestUpgradeAfterADeadOne: the websocket of an upgrade that was given up does not answer the close frame. The next upgrade
// does not wait for that.
func TestUpgradeAfterADeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, conn.Config{}, newApp().echo())
		defer b.stop()
		_, open := b.request("GET", pollingQuery, "")
		query := "EIO=4&transport=websocket&sid=" + sidOf(t, open)
		dead := b.raw()
		defer dead.Close()
		dead.Send([]byte(upgradeRequest(query)))
		dead.Head(http.StatusSwitchingProtocols)
		time.Sleep(10*time.Second + time.Millisecond)
		next := b.raw()
		next.Send([]byte(upgradeRequest(query)))
		next.Head(http.StatusSwitchingProtocols)
		next.Send(testkit.TextFrame("2probe"))
		if _, got := next.Frame(); string(got) != "3probe" {
			t.Fatalf("the second probe is answered %q", got)
		}
		next.Send(testkit.TextFrame("5"))
		next.Send(testkit.TextFrame("4x"))
		if _, got := next.Frame(); string(got) != "4x" {
			t.Errorf("got %q", got)
		}
		go next.MustEnd()
	})
}

// TestSlowness: what a client must do in time and does not.
func TestSlowness(t *testing.T) {
	t.Run("body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApp()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			_, open := b.request("GET", pollingQuery, "")
			began := time.Now()
			r := b.raw()
			r.Send([]byte("POST /socket.io/?" + pollingQuery + "&sid=" + sidOf(t, open) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4"))
			if res := r.Head(http.StatusRequestTimeout); res.ContentLength != 0 {
				t.Errorf("the answer has a body of %d bytes", res.ContentLength)
			}
			if got := time.Since(began); got != 30*time.Second {
				t.Errorf("answered after %v", got)
			}
			if got := <-a.closed; got != conn.ReasonTransportError {
				t.Errorf("ended by %v", got)
			}
			r.Close()
		})
	})
	t.Run("reading", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApp()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			r := b.websocket()
			defer r.Close()
			began := time.Now()
			(<-a.sessions).Send(wire.Text([]byte{packetPing})) // net.Pipe has no buffer: the write blocks
			if got := <-a.closed; got != conn.ReasonWriteTimeout {
				t.Errorf("ended by %v", got)
			}
			if got := time.Since(began); got != 10*time.Second {
				t.Errorf("ended after %v", got)
			}
		})
	})
	t.Run("reading slowly", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApp()
			b := newBubble(t, conn.Config{PingInterval: time.Hour, MaxPayloadBytes: 1000}, a)
			defer b.stop()
			r := b.websocket()
			(<-a.sessions).Send(wire.Text([]byte{packetPing}))
			for _, want := range []byte{0x81, 1, '2'} { // one byte in 9 seconds is progress
				time.Sleep(9 * time.Second)
				if got, err := r.ReadByte(); got != want || err != nil {
					t.Fatalf("read %x, %v", got, err)
				}
			}
			r.Close()
			if got := <-a.closed; got != conn.ReasonTransportClose {
				t.Errorf("ended by %v", got)
			}
		})
	})
	t.Run("reading a poll", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApp()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			_, open := b.request("GET", pollingQuery, "")
			(<-a.sessions).Send(wire.Text([]byte{packetPing}))
			began := time.Now()
			r := b.raw()
			defer r.Close()
			r.Send([]byte("GET /socket.io/?" + pollingQuery + "&sid=" + sidOf(t, open) + " HTTP/1.1\r\nHost: x\r\n\r\n"))
			if got := <-a.closed; got != conn.ReasonWriteTimeout {
				t.Errorf("ended by %v", got)
			}
			if got := time.Since(began); got != 10*time.Second {
				t.Errorf("ended after %v", got)
			}
			synctest.Wait()
			if got := b.Stats().SlowClients; got != 1 {
				t.Errorf("%d slow clients were counted, want 1", got)
			}
		})
	})
	t.Run("last poll", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApp()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			_, open := b.request("GET", pollingQuery, "")
			session := <-a.sessions
			session.Close(conn.ReasonForcedClose)
			if got := <-a.closed; got != conn.ReasonForcedClose {
				t.Errorf("ended by %v", got)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if b.session(sidOf(t, open)) != nil {
				t.Error("session is still there after the close timeout")
			}
		})
	})
}

// TestShutdownCuts has a client that takes its time, and a context that does not give it.
func TestShutdownCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		b := newBubble(t, conn.Config{CloseTimeout: time.Hour, WriteTimeout: time.Hour}, a)
		r := b.websocket()
		synctest.Wait() // until the handshake is over on the server's side too
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown() = %v", err)
		}
		if got := <-a.closed; got != conn.ReasonServerShutdown {
			t.Errorf("ended by %v", got)
		}
		r.Close()
		b.stop()
	})
}

// TestNothingLeavesBeforeTheHandshake: a session is known, and closed, while its 101 response is still being written.
func TestNothingLeavesBeforeTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		b := newBubble(t, conn.Config{}, a)
		defer b.stop()
		r := b.raw()
		r.Send([]byte(upgradeRequest("EIO=4&transport=websocket")))
		synctest.Wait() // net.Pipe has no buffer: the response waits to be read
		session := b.all()[0]
		if err := session.Send(wire.Text([]byte{packetPing})); err != nil {
			t.Fatal(err)
		}
		session.Close(conn.ReasonForcedClose)
		r.Head(http.StatusSwitchingProtocols)
		if _, got := r.Frame(); got[0] != packetOpen {
			t.Errorf("first frame is %q", got)
		}
		if _, got := r.Frame(); string(got) != "2" {
			t.Errorf("second frame is %q", got)
		}
		if got := testkit.CodeOf(r.MustEnd()); got != conn.CloseNoCode {
			t.Errorf("close code %d", got)
		}
		if got := <-a.closed; got != conn.ReasonForcedClose {
			t.Errorf("ended by %v", got)
		}
	})
}

// TestShutdownDoesNotWaitForReceivers has some that do not return.
func TestShutdownDoesNotWaitForReceivers(t *testing.T) {
	a, release, busy := newApp(), make(chan struct{}), make(chan bool, 2)
	a.text = func(*Session, []byte) error {
		busy <- true
		<-release
		return nil
	}
	s := start(t, conn.Config{}, a)
	p := s.poller(t)
	posted := make(chan int)
	go func() { posted <- p.post("4") }() // awaited below
	testkit.Write(t, s.connect(t), "4")
	testkit.Receive(t, busy, "message")
	testkit.Receive(t, busy, "message")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown() = %v", err)
	}
	close(release)
	testkit.Receive(t, posted, "answer")
	if err := s.Shutdown(t.Context()); err != nil { // it waits for all goroutines
		t.Errorf("Shutdown() = %v", err)
	}
	a.mustClose(t, conn.ReasonServerShutdown)
	a.mustClose(t, conn.ReasonServerShutdown)
}

// TestShutdownWhileASessionBegins ends a session between its registration and its first packet: its receiver is told.
func TestShutdownWhileASessionBegins(t *testing.T) {
	for range 200 {
		a := newApp()
		s := newServer(conn.Config{CloseTimeout: time.Millisecond}, a.accept)
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() { // awaited below
			defer close(done)
			s.ServeHTTP(w, httptest.NewRequest("GET", "/socket.io/?"+pollingQuery, nil))
		}()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-done
		select {
		case <-a.sessions:
			a.mustClose(t, conn.ReasonServerShutdown)
		default:
			if w.Code != http.StatusServiceUnavailable {
				t.Fatalf("no session, and status %d", w.Code)
			}
		}
	}
}
