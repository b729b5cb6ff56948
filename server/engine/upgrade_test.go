package engine

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// probe opens a websocket for the session and has it answered.
func (p *poller) probe() *websocket.Conn {
	p.t.Helper()
	c := p.site.dial(p.t, "EIO=4&transport=websocket&sid="+p.sid)
	testkit.Write(p.t, c, "2probe")
	if got := testkit.Read(p.t, c); got != "3probe" {
		p.t.Fatalf("probe is answered %q", got)
	}
	return c
}

func TestWire36_Upgrade(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a)
	p := s.poller(t)
	session := a.next(t)
	bodies := make(chan string)
	go func() { bodies <- p.poll() }()
	waitPolling(t, session, true)
	c := p.probe()
	if got := testkit.Receive(t, bodies, "waiting poll"); got != "6" {
		t.Errorf("waiting poll is %q, want a noop", got)
	}
	if got := p.poll(); got != "6" {
		t.Errorf("poll during the upgrade is %q, want a noop", got)
	}
	session.Send(wire.Text([]byte("4by polling")))
	if got := p.poll(); got != "4by polling" {
		t.Errorf("poll during the upgrade is %q", got)
	}
	if session.Transport() != Polling || session.Upgraded() {
		t.Error("session is upgraded too early")
	}
	session.Send(wire.Text([]byte("4queued")))
	testkit.Write(t, c, "5")
	testkit.Write(t, c, "4hello")
	for _, want := range []string{"4queued", "4hello"} {
		if got := testkit.Read(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if session.Transport() != WebSocketTransport || !session.Upgraded() {
		t.Error("session is not upgraded")
	}
	if res, _ := p.do(http.MethodGet, "", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("poll after the upgrade: %d", res.StatusCode)
	}
	if status := p.post("4x"); status != http.StatusBadRequest {
		t.Errorf("post after the upgrade: %d", status)
	}
	testkit.Write(t, c, "4still here")
	if got := testkit.Read(t, c); got != "4still here" {
		t.Errorf("got %q", got)
	}
	if got := s.Stats(); got.Upgrades != 1 || got.WebSocketSessions != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestWire36_SecondUpgradeIsRefused(t *testing.T) {
	a := newApp().echo()
	p := start(t, conn.Config{}, a).poller(t)
	query := "EIO=4&transport=websocket&sid=" + p.sid
	c := p.probe()
	mustRefuse := func() {
		t.Helper()
		if code := testkit.ReadUntilClosed(t, p.site.dial(t, query)); code != int(websocket.StatusNoStatusRcvd) {
			t.Errorf("close code of the second websocket %d, want none", code)
		}
	}
	mustRefuse()
	testkit.Write(t, c, "5")
	testkit.Write(t, c, "4x")
	if got := testkit.Read(t, c); got != "4x" {
		t.Fatalf("got %q", got)
	}
	mustRefuse()
	testkit.Write(t, c, "4x")
	if got := testkit.Read(t, c); got != "4x" {
		t.Errorf("got %q", got)
	}
}

func TestWire36_FailedUpgradeLeavesPolling(t *testing.T) {
	tests := map[string]func(*poller){
		"wrong packet": func(p *poller) {
			c := p.probe()
			testkit.Write(p.t, c, "4not yet")
			testkit.ReadUntilClosed(p.t, c)
		},
		"wrong probe": func(p *poller) {
			c := p.site.dial(p.t, "EIO=4&transport=websocket&sid="+p.sid)
			testkit.Write(p.t, c, "2something")
			testkit.ReadUntilClosed(p.t, c)
		},
		"closed": func(p *poller) { p.probe().Close(websocket.StatusNormalClosure, "") },
		"cut":    func(p *poller) { p.probe().CloseNow() },
		"never finished": func(p *poller) {
			testkit.ReadUntilClosed(p.t, p.probe())
		},
		"invalid frame": func(p *poller) {
			r := p.site.raw(p.t)
			r.Send([]byte(upgradeRequest("EIO=4&transport=websocket&sid="+p.sid)), []byte{0xff, 0xff, 0, 0, 0, 0})
			r.Head(http.StatusSwitchingProtocols)
			if got := r.MustEnd(); len(got) != 2 || got[1] != 1002&0xff {
				p.t.Errorf("close frame %x", got)
			}
		},
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApp().echo()
			p := start(t, conn.Config{}, a, Config{UpgradeTimeout: 50 * time.Millisecond}).poller(t)
			fail(p)
			testkit.Until(t, "end of the upgrade", func() bool { return p.site.Stats().UpgradesFailed == 1 })
			p.post("4x")
			if got := p.poll(); got != "4x" {
				t.Errorf("poll is %q", got)
			}
			c := p.probe()
			testkit.Write(t, c, "5")
			testkit.Write(t, c, "4again")
			if got := testkit.Read(t, c); got != "4again" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestWire34_BurstAcrossTheUpgrade sends without a pause while a client upgrades as the reference client does, and checks
// that it gets every message once and in order.
func TestWire34_BurstAcrossTheUpgrade(t *testing.T) {
	for round := range 20 {
		const n = 2000
		a := newApp()
		s := start(t, conn.Config{OutboxBytes: 64 * (1 << 20)}, a)
		p := s.poller(t)
		session := a.next(t)
		next := 0
		check := func(packet string) {
			if packet == "6" {
				return
			}
			if want := fmt.Sprint("4", next); packet != want {
				t.Fatalf("round %d: packet %q, want %q", round, packet, want)
			}
			next++
		}
		half := make(chan bool)
		go func() {
			for i := range n {
				if i == n/4 {
					close(half)
				}
				session.Send(wire.Text(fmt.Append(nil, "4", i)))
			}
		}()
		<-half
		answered := make(chan *websocket.Conn, 1)
		go func() { answered <- p.probe() }()
		var c *websocket.Conn
		for c == nil {
			for packet := range strings.SplitSeq(p.poll(), "\x1e") {
				check(packet)
			}
			select {
			case c = <-answered:
			default:
			}
		}
		testkit.Write(t, c, "5")
		for next < n {
			check(testkit.Read(t, c))
		}
	}
}

// TestWire33_OrderAcrossTheUpgrade posts, and upgrades while the post is with the receiver: what comes by websocket must
// wait.
func TestWire33_OrderAcrossTheUpgrade(t *testing.T) {
	got := make(chan string, 10)
	inside, leave := make(chan bool), make(chan bool)
	a := newApp()
	a.text = func(_ *Session, data []byte) error {
		if string(data) == "0" {
			inside <- true
			<-leave
		}
		got <- string(data)
		return nil
	}
	p := start(t, conn.Config{}, a).poller(t)
	session := a.next(t)
	c := p.probe()
	status := make(chan int)
	go func() { status <- p.post("40\x1e41\x1e42") }()
	testkit.Receive(t, inside, "post")
	testkit.Write(t, c, "5")
	testkit.Write(t, c, "43")
	testkit.Until(t, "switch", session.Upgraded)
	close(leave)
	if got := testkit.Receive(t, status, "answer"); got != http.StatusOK {
		t.Errorf("post: %d", got)
	}
	for i := range 4 {
		if data := testkit.Receive(t, got, "message"); data != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, data)
		}
	}
}

func TestCloseDuringUpgrade(t *testing.T) {
	t.Run("client goes on", func(t *testing.T) {
		a := newApp()
		p := start(t, conn.Config{}, a).poller(t)
		session := a.next(t)
		c := p.probe()
		session.Send(wire.Text([]byte("4bye")))
		session.Close(conn.ReasonForcedClose)
		a.mustClose(t, conn.ReasonForcedClose)
		testkit.Write(t, c, "5")
		if got := testkit.Read(t, c); got != "4bye" {
			t.Errorf("got %q", got)
		}
		if code := testkit.ReadUntilClosed(t, c); code != int(websocket.StatusNoStatusRcvd) {
			t.Errorf("close code %d, want none", code)
		}
	})
	t.Run("client polls", func(t *testing.T) {
		a := newApp()
		p := start(t, conn.Config{}, a).poller(t)
		session := a.next(t)
		c := p.probe()
		session.Close(conn.ReasonForcedClose)
		if got := p.poll(); got != "6\x1e1" {
			t.Errorf("poll is %q", got)
		}
		testkit.ReadUntilClosed(t, c)
		a.mustClose(t, conn.ReasonForcedClose)
	})
	t.Run("session fails", func(t *testing.T) {
		a := newApp()
		p := start(t, conn.Config{}, a).poller(t)
		c := p.probe()
		p.post("nonsense")
		testkit.ReadUntilClosed(t, c)
		a.mustClose(t, conn.ReasonParseError)
	})
}

// TestRaceUpgradeAgainstEverything lets upgrades, closes, polls and posts of one session meet. Nothing is to be seen but
// that every session ends once.
func TestRaceUpgradeAgainstEverything(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{CloseTimeout: 50 * time.Millisecond}, a)
	const rounds = 30
	together(4, func(worker int) {
		for range rounds {
			p := s.poller(t)
			session := s.session(p.sid)
			ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
			together(5, func(i int) {
				switch i {
				case 0:
					c, _, err := websocket.Dial(ctx, s.url("EIO=4&transport=websocket&sid="+p.sid), nil)
					if err != nil {
						return
					}
					defer c.CloseNow()
					c.Write(ctx, websocket.MessageText, []byte("2probe"))
					c.Write(ctx, websocket.MessageText, []byte("5"))
					c.Write(ctx, websocket.MessageText, []byte("4x"))
				case 1, 2:
					p.do(http.MethodGet, "", "")
				case 3:
					p.post("4y")
				case 4:
					session.Close(conn.ReasonForcedClose)
				}
			})
			cancel()
		}
	})
	for range 4 * rounds {
		testkit.Receive(t, a.closed, "end of a session")
	}
	testkit.Until(t, "end of all", func() bool { return len(s.all()) == 0 })
	select {
	case <-a.closed:
		t.Error("a session ended twice")
	default:
	}
	fresh := s.connect(t)
	testkit.Write(t, fresh, "4x")
	if got := testkit.Read(t, fresh); got != "4x" {
		t.Errorf("got %q", got)
	}
}

// TestProbeThatBreaksTheRules sends a frame that the websocket of an upgrade cannot be read behind. The server ends that
// websocket, and polling goes on.
func TestProbeThatBreaksTheRules(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{CloseTimeout: time.Minute}, a)
	p := s.poller(t)
	r := s.raw(t)
	r.Send([]byte(upgradeRequest("EIO=4&transport=websocket&sid=" + p.sid)))
	r.Head(http.StatusSwitchingProtocols)
	r.Send([]byte{0x81, 0x01, '2'}) // not masked
	if got := testkit.CodeOf(r.MustEnd()); got != 1002 {
		t.Errorf("close code %d, want %d", got, 1002)
	}
	if got := p.post("4still here"); got != http.StatusOK {
		t.Errorf("post after the failed upgrade: %d", got)
	}
	if got := p.poll(); got != "4still here" {
		t.Errorf("poll after the failed upgrade: %q", got)
	}
}
