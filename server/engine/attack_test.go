package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// bystanders are two clients that were connected before an attack, one on each transport.
type bystanders struct {
	t    *testing.T
	site *site
	ws   *testkit.Raw
	poll *poller
}

func (s *site) bystanders(t *testing.T, a *app) *bystanders {
	b := &bystanders{t, s, s.rawWebSocket(t), s.poller(t)}
	a.next(t)
	a.next(t)
	return b
}

// mustBeWell checks that the bystanders were not disturbed, that fresh clients can connect, and that nothing of the
// attack is left.
func (b *bystanders) mustBeWell() {
	b.t.Helper()
	testkit.Until(b.t, "end of the attackers", func() bool { return len(b.site.all()) == 2 })
	fresh := &bystanders{b.t, b.site, b.site.rawWebSocket(b.t), b.site.poller(b.t)}
	for _, clients := range []*bystanders{b, fresh} {
		for i := range 20 {
			message := fmt.Sprint("4", i)
			clients.ws.Send(testkit.TextFrame(message))
			if _, got := clients.ws.Frame(); string(got) != message {
				b.t.Fatalf("echo of %q is %q", message, got)
			}
			if status := clients.poll.post(message); status != http.StatusOK {
				b.t.Fatalf("post: %d", status)
			}
			if got := clients.poll.poll(); got != message {
				b.t.Fatalf("echo of %q is %q", message, got)
			}
		}
	}
	testkit.Until(b.t, "empty outbox", func() bool { return b.site.Stats().OutboxBytes == 0 })
}

// TestSlowConsumer sends to clients that never read: the memory for each stays within its limit, and they are cut.
func TestSlowConsumer(t *testing.T) {
	const limit = 256 * kiB
	a := newApp().echo()
	s := start(t, conn.Config{OutboxBytes: limit}, a)
	b := s.bystanders(t, a)
	s.rawWebSocket(t)
	s.poller(t)
	message := wire.Text([]byte("4" + strings.Repeat("x", 10_000)))
	for range 2 {
		session := a.next(t)
		sent := 0
		for session.Send(message) == nil {
			sent += message.Size()
			if sent > 160*(1<<20) {
				t.Fatal("the client was not cut")
			}
			session.c.Lock()
			queued, _ := session.c.QueuedLocked()
			session.c.Unlock()
			if queued > limit {
				t.Fatalf("%d bytes are queued, limit %d", queued, limit)
			}
			if session.Transport() == WebSocketTransport {
				runtime.Gosched()
			}
		}
		if err := session.Send(message); err != conn.ErrClosed {
			t.Errorf("Send() after the cut = %v", err)
		}
		a.mustClose(t, conn.ReasonSlowClient)
		testkit.Until(t, "end of the queue", func() bool {
			session.c.Lock()
			defer session.c.Unlock()
			bytes, any := session.c.QueuedLocked()
			return bytes == 0 && !any
		})
	}
	b.mustBeWell()
	if got := s.Stats(); got.SlowClients != 2 || got.Closed[conn.ReasonSlowClient] != 2 {
		t.Errorf("stats %+v", got)
	}
}

// TestMessageLargerThanTheOutbox is taken when nothing else is queued.
func TestMessageLargerThanTheOutbox(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{OutboxBytes: 1000}, a)
	large := strings.Repeat("x", 3_000_000)
	c := s.connect(t)
	if err := a.next(t).Send(wire.Text([]byte("4" + large))); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Read(t, c); got != "4"+large {
		t.Errorf("got %d bytes", len(got))
	}
	p := s.poller(t)
	session := a.next(t)
	if err := session.Send(wire.Text([]byte("4" + large))); err != nil {
		t.Fatal(err)
	}
	if got := p.poll(); got != "4"+large {
		t.Errorf("poll has %d bytes", len(got))
	}
	session.Send(wire.Text([]byte("4")))
	if err := session.Send(wire.Text([]byte("4" + large))); err != conn.ErrSlowClient {
		t.Errorf("Send() on a queue that is not empty = %v", err)
	}
	a.mustClose(t, conn.ReasonSlowClient)
}

// TestWire35_VolatileToAClientThatDoesNotRead is dropped, and does not end it.
func TestWire35_VolatileToAClientThatDoesNotRead(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{}, a)
	r := s.rawWebSocket(t)
	session := a.next(t)
	message := withAttachments([]byte("451-"), [][]byte{make([]byte, 50_000)})
	taken := 0
	for dropped := 0; dropped < 100; {
		if session.SendVolatile(message) {
			taken++
		} else {
			dropped++
			runtime.Gosched()
		}
		if taken > 10_000 {
			t.Fatal("nothing was dropped")
		}
	}
	for i := range taken { // never half of a binary event
		if op, got := r.Frame(); op != testkit.Text || string(got) != "451-" {
			t.Fatalf("event %d of %d is %v %.20q", i, taken, op, got)
		}
		if op, got := r.Frame(); op != testkit.Binary || len(got) != 50_000 {
			t.Fatalf("attachment %d of %d is %v of %d bytes", i, taken, op, len(got))
		}
	}
	if !session.Writable() {
		testkit.Until(t, "readiness", session.Writable)
	}
}

// TestBlockedWriteGoesOn fills the kernel's buffers, and then reads: everything arrives, in order.
func TestBlockedWriteGoesOn(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{OutboxBytes: 64 * (1 << 20)}, a)
	r := s.rawWebSocket(t)
	session := a.next(t)
	const n = 3000
	for i := range n {
		if err := session.Send(wire.Text(fmt.Appendf(nil, "4%05d%s", i, strings.Repeat("x", 10_000)))); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Until(t, "blockage", func() bool { return s.Stats().BlockedWrites > 0 })
	for i := range n {
		if _, got := r.Frame(); len(got) != 10_006 || string(got[:6]) != fmt.Sprintf("4%05d", i) {
			t.Fatalf("message %d is %.6q of %d bytes", i, got, len(got))
		}
	}
	testkit.Until(t, "empty outbox", func() bool { return s.Stats().OutboxBytes == 0 })
	session.Send(wire.Text([]byte("4end"))) // by the flusher again
	if _, got := r.Frame(); string(got) != "4end" {
		t.Errorf("got %q", got)
	}
}

func TestResetsUnderLoad(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a)
	b := s.bystanders(t, a)
	message := wire.Text([]byte("4" + strings.Repeat("x", 50_000)))
	together(8, func(int) {
		for range 10 {
			r := s.raw(t)
			r.Send([]byte(upgradeRequest("EIO=4&transport=websocket")))
			r.Head(http.StatusSwitchingProtocols)
			_, open := r.Frame()
			var session *Session
			testkit.Until(t, "session", func() bool { session = s.session(sidOf(t, string(open))); return session != nil })
			together(2, func(i int) {
				if i == 0 {
					for session.Send(message) == nil {
					}
					return
				}
				r.Write(bytes.Repeat(testkit.TextFrame("4y"), 100))
				r.Conn.(*net.TCPConn).SetLinger(0)
				r.Close()
			})
		}
	})
	for range 80 {
		testkit.Receive(t, a.closed, "end of a session")
	}
	b.mustBeWell()
}

func TestConnectAndLeave(t *testing.T) {
	descriptors := countDescriptors(t)
	a := newApp().echo()
	s := start(t, conn.Config{}, a)
	b := s.bystanders(t, a)
	together(8, func(worker int) {
		rng := rand.New(rand.NewPCG(uint64(worker), 1))
		for range 50 {
			nc, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			request := []byte(upgradeRequest("EIO=4&transport=websocket"))
			switch rng.IntN(5) {
			case 0:
				nc.Write(request[:rng.IntN(len(request))])
			case 1:
				nc.Write(request)
			case 2:
				nc.Write(append(request, testkit.TextFrame("4hello")...))
			case 3:
				nc.Write(append(request, testkit.Frame(testkit.Close, true, nil)...))
				io.Copy(io.Discard, nc)
			case 4:
				nc.Write([]byte("GET /socket.io/?" + pollingQuery + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
				answer, _ := io.ReadAll(nc)
				_, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
				s.session(sidOf(t, string(body))).Close(conn.ReasonTransportClose)
			}
			nc.Close()
		}
	})
	b.mustBeWell()
	s.http.CloseClientConnections()
	testkit.Until(t, "closed descriptors", func() bool { return countDescriptors(t) <= descriptors+30 })
}

// countDescriptors returns how many descriptors the process has open, 0 where that cannot be told.
func countDescriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// TestMutations sends frames and bodies with random faults.
func TestMutations(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{CloseTimeout: 20 * time.Millisecond}, a)
	b := s.bystanders(t, a)
	seeds := [][]byte{testkit.TextFrame("42"), testkit.TextFrame("421"), testkit.TextFrame("450-"), testkit.TextFrame("451-"), testkit.TextFrame("40{}"), testkit.TextFrame("2probe"), testkit.TextFrame("5"), testkit.TextFrame("1"),
		testkit.Frame(testkit.Ping, true, []byte("x")), testkit.Frame(testkit.Close, true, []byte{3, 0xe8}), testkit.Frame(testkit.Binary, false, make([]byte, 200)), testkit.TextFrame(strings.Repeat("4", 70_000))}
	together(4, func(worker int) {
		rng := rand.New(rand.NewPCG(uint64(worker), 2))
		for range 200 {
			seed := bytes.Clone(seeds[rng.IntN(len(seeds))])
			for range 1 + rng.IntN(3) {
				seed[rng.IntN(len(seed))] = byte(rng.Uint32())
			}
			seed = seed[:1+rng.IntN(len(seed))]
			nc, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			nc.Write(append([]byte(upgradeRequest("EIO=4&transport=websocket")), seed...))
			if rng.IntN(2) == 0 {
				nc.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, nc)
			}
			nc.Close()
		}
	})
	for range 200 {
		p := s.poller(t)
		body := []byte("4hello\x1ebAQIDBA==\x1e3\x1e42[\"x\"]")
		for range 1 + rand.IntN(3) {
			body[rand.IntN(len(body))] = byte(rand.Uint32())
		}
		p.post(string(body))
		if session := s.session(p.sid); session != nil {
			session.Close(conn.ReasonTransportClose)
		}
		p.http.CloseIdleConnections()
	}
	b.mustBeWell()
}

// TestManySlowBodies announces bodies and sends little of them.
func TestManySlowBodies(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a, Config{BodyReadTimeout: 50 * time.Millisecond})
	b := s.bystanders(t, a)
	together(50, func(int) {
		p := s.poller(t)
		r := s.raw(t)
		r.Send([]byte("POST /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n4"))
		r.Head(http.StatusRequestTimeout)
	})
	b.mustBeWell()
}

// TestPollWithABody sends a poll with a body, which conn.Nobody asked for. It is read before the poll waits: net/http would
// wait for it otherwise, without a deadline, and would not look whether the client is still there.
func TestPollWithABody(t *testing.T) {
	tests := map[string]struct {
		behind string // the request line
		cut    bool
	}{
		"whole, then cut": {behind: "Content-Length: 5\r\n\r\nhello", cut: true},
		"cut short":       {behind: "Content-Length: 100\r\n\r\nx"},
		"never begun":     {behind: "Transfer-Encoding: chunked\r\n\r\n"},
		"over the limit":  {behind: "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000) + "\r\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			s := start(t, conn.Config{MaxPayloadBytes: 1000}, a, Config{BodyReadTimeout: 50 * time.Millisecond})
			p := s.poller(t)
			session := a.next(t)
			r := s.raw(t)
			r.Send([]byte("GET /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\n" + test.behind))
			if test.cut {
				waitPolling(t, session, true)
				r.Close()
			} else {
				r.Head(http.StatusBadRequest)
			}
			a.mustClose(t, conn.ReasonTransportError)
			p.mustBeGone()
		})
	}
	a := newApp()
	s := start(t, conn.Config{}, a)
	p := s.poller(t)
	a.next(t).Send(wire.Text([]byte("4hello")))
	r := s.raw(t)
	r.Send([]byte("GET /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	r.Head(http.StatusOK)
}

func TestWire40_Shutdown(t *testing.T) {
	a := newApp()
	s := newServer(conn.Config{CloseTimeout: time.Second}, a.accept)
	web := newListener(t, s)
	ws, p := web.rawWebSocket(t), web.poller(t)
	for range 2 {
		a.next(t) // in any order
	}
	two := s.session(p.sid)
	one := s.otherThan(two)
	bodies := make(chan string)
	go func() { bodies <- p.poll() }()
	waitPolling(t, two, true)
	together(100, func(i int) {
		one.Send(wire.Text([]byte("4x")))
	})
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	closing := ws.MustEnd()
	if closing == nil || len(closing) != 0 {
		t.Errorf("close frame %x, want one without a code", closing)
	}
	if got := testkit.Receive(t, bodies, "poll"); got != "1" {
		t.Errorf("poll is %q", got)
	}
	if err := testkit.Receive(t, done, "end of the shutdown"); err != nil {
		t.Errorf("Shutdown() = %v", err)
	}
	for range 2 {
		a.mustClose(t, conn.ReasonServerShutdown)
	}
	if status, _ := web.get(t, "GET", pollingQuery); status != http.StatusServiceUnavailable {
		t.Errorf("handshake after the shutdown: %d", status)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("second Shutdown() = %v", err)
	}
}

// otherThan returns a session that is not known by its id.
func (s *Server) otherThan(known *Session) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		if session != known {
			return session
		}
	}
	return nil
}
