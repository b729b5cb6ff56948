package engine

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"signalbox/server/wire"
)

// probe opens a websocket for the session and has it answered.
func (p *poller) probe() *websocket.Conn {
	p.t.Helper()
	c := p.site.dial(p.t, "EIO=4&transport=websocket&sid="+p.sid)
	write(p.t, c, "2probe")
	if got := read(p.t, c); got != "3probe" {
		p.t.Fatalf("probe is answered %q", got)
	}
	return c
}

func TestWire36_Upgrade(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{}, a)
	p := s.poller(t)
	session := a.next(t)
	bodies := make(chan string)
	go func() { bodies <- p.poll() }()
	waitPolling(t, session, true)
	c := p.probe()
	if got := receive(t, bodies, "waiting poll"); got != "6" {
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
	write(t, c, "5")
	write(t, c, "4hello")
	for _, want := range []string{"4queued", "4hello"} {
		if got := read(t, c); got != want {
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
	write(t, c, "4still here")
	if got := read(t, c); got != "4still here" {
		t.Errorf("got %q", got)
	}
	if got := s.Stats(); got.Upgrades != 1 || got.WebSocketSessions != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestWire36_SecondUpgradeIsRefused(t *testing.T) {
	a := newApp().echo()
	p := start(t, Config{}, a).poller(t)
	query := "EIO=4&transport=websocket&sid=" + p.sid
	c := p.probe()
	mustRefuse := func() {
		t.Helper()
		if code := readUntilClosed(t, p.site.dial(t, query)); code != int(websocket.StatusNoStatusRcvd) {
			t.Errorf("close code of the second websocket %d, want none", code)
		}
	}
	mustRefuse()
	write(t, c, "5")
	write(t, c, "4x")
	if got := read(t, c); got != "4x" {
		t.Fatalf("got %q", got)
	}
	mustRefuse()
	write(t, c, "4x")
	if got := read(t, c); got != "4x" {
		t.Errorf("got %q", got)
	}
}

func TestWire36_FailedUpgradeLeavesPolling(t *testing.T) {
	tests := map[string]func(*poller){
		"wrong packet": func(p *poller) {
			c := p.probe()
			write(p.t, c, "4not yet")
			readUntilClosed(p.t, c)
		},
		"wrong probe": func(p *poller) {
			c := p.site.dial(p.t, "EIO=4&transport=websocket&sid="+p.sid)
			write(p.t, c, "2something")
			readUntilClosed(p.t, c)
		},
		"closed": func(p *poller) { p.probe().Close(websocket.StatusNormalClosure, "") },
		"cut":    func(p *poller) { p.probe().CloseNow() },
		"never finished": func(p *poller) {
			readUntilClosed(p.t, p.probe())
		},
		"invalid frame": func(p *poller) {
			r := p.site.raw(p.t)
			r.send([]byte(upgradeRequest("EIO=4&transport=websocket&sid="+p.sid)), []byte{0xff, 0xff, 0, 0, 0, 0})
			r.head(http.StatusSwitchingProtocols)
			if got := r.mustEnd(); len(got) != 2 || got[1] != closeProtocol&0xff {
				p.t.Errorf("close frame %x", got)
			}
		},
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApp().echo()
			p := start(t, Config{UpgradeTimeout: 50 * time.Millisecond}, a).poller(t)
			fail(p)
			until(t, "end of the upgrade", func() bool { return p.site.Stats().UpgradesFailed == 1 })
			p.post("4x")
			if got := p.poll(); got != "4x" {
				t.Errorf("poll is %q", got)
			}
			c := p.probe()
			write(t, c, "5")
			write(t, c, "4again")
			if got := read(t, c); got != "4again" {
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
		s := start(t, Config{OutboxBytes: 64 * miB}, a)
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
		write(t, c, "5")
		for next < n {
			check(read(t, c))
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
	p := start(t, Config{}, a).poller(t)
	session := a.next(t)
	c := p.probe()
	status := make(chan int)
	go func() { status <- p.post("40\x1e41\x1e42") }()
	receive(t, inside, "post")
	write(t, c, "5")
	write(t, c, "43")
	until(t, "switch", session.Upgraded)
	close(leave)
	if got := receive(t, status, "answer"); got != http.StatusOK {
		t.Errorf("post: %d", got)
	}
	for i := range 4 {
		if data := receive(t, got, "message"); data != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, data)
		}
	}
}

func TestCloseDuringUpgrade(t *testing.T) {
	t.Run("client goes on", func(t *testing.T) {
		a := newApp()
		p := start(t, Config{}, a).poller(t)
		session := a.next(t)
		c := p.probe()
		session.Send(wire.Text([]byte("4bye")))
		session.Close(ReasonForcedClose)
		a.mustClose(t, ReasonForcedClose)
		write(t, c, "5")
		if got := read(t, c); got != "4bye" {
			t.Errorf("got %q", got)
		}
		if code := readUntilClosed(t, c); code != int(websocket.StatusNoStatusRcvd) {
			t.Errorf("close code %d, want none", code)
		}
	})
	t.Run("client polls", func(t *testing.T) {
		a := newApp()
		p := start(t, Config{}, a).poller(t)
		session := a.next(t)
		c := p.probe()
		session.Close(ReasonForcedClose)
		if got := p.poll(); got != "6\x1e1" {
			t.Errorf("poll is %q", got)
		}
		readUntilClosed(t, c)
		a.mustClose(t, ReasonForcedClose)
	})
	t.Run("session fails", func(t *testing.T) {
		a := newApp()
		p := start(t, Config{}, a).poller(t)
		c := p.probe()
		p.post("nonsense")
		readUntilClosed(t, c)
		a.mustClose(t, ReasonParseError)
	})
}

// TestRaceUpgradeAgainstEverything lets upgrades, closes, polls and posts of one session meet. Nothing is to be seen but
// that every session ends once.
func TestRaceUpgradeAgainstEverything(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{CloseTimeout: 50 * time.Millisecond}, a)
	const rounds = 30
	together(4, func(worker int) {
		for range rounds {
			p := s.poller(t)
			session := s.session(p.sid)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
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
					session.Close(ReasonForcedClose)
				}
			})
			cancel()
		}
	})
	for range 4 * rounds {
		receive(t, a.closed, "end of a session")
	}
	until(t, "end of all", func() bool { return len(s.allLinks()) == 0 })
	select {
	case <-a.closed:
		t.Error("a session ended twice")
	default:
	}
	fresh := s.connect(t)
	write(t, fresh, "4x")
	if got := read(t, fresh); got != "4x" {
		t.Errorf("got %q", got)
	}
}

// TestProbeThatBreaksTheRules sends a frame that the websocket of an upgrade cannot be read behind. The server ends that
// websocket, and polling goes on.
func TestProbeThatBreaksTheRules(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{CloseTimeout: time.Minute}, a)
	p := s.poller(t)
	r := s.raw(t)
	r.send([]byte(upgradeRequest("EIO=4&transport=websocket&sid=" + p.sid)))
	r.head(http.StatusSwitchingProtocols)
	r.send([]byte{0x81, 0x01, '2'}) // not masked
	if got := codeOf(r.mustEnd()); got != closeProtocol {
		t.Errorf("close code %d, want %d", got, closeProtocol)
	}
	if got := p.post("4still here"); got != http.StatusOK {
		t.Errorf("post after the failed upgrade: %d", got)
	}
	if got := p.poll(); got != "4still here" {
		t.Errorf("poll after the failed upgrade: %q", got)
	}
}
