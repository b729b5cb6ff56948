package conn

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// TestClockOrder starts conns so that they are due in another order.
func TestClockOrder(t *testing.T) {
	c := newClock(time.Second)
	q := c.queue(time.Second)
	if c.queue(time.Second) != q {
		t.Error("a second queue for the same duration")
	}
	conns := make([]Conn, 5)
	for i, from := range []time.Duration{3, 1, 4, 0, 2} {
		c.startLocked(&conns[i], q, from)
	}
	c.stopLocked(&conns[4])
	c.startLocked(&conns[2], q, 5) // again, and later
	if got := c.take(time.Second-1, nil); len(got) != 0 {
		t.Errorf("%d are due too early", len(got))
	}
	var order []byte
	for _, l := range c.take(2*time.Second, nil) {
		for i := range conns {
			if l == &conns[i] {
				order = append(order, byte('0'+i))
			}
		}
	}
	if !bytes.Equal(order, []byte("3102")) {
		t.Errorf("order %s, want 3102", order)
	}
	if q.head != nil || q.tail != nil {
		t.Error("the queue is not empty")
	}
}

func TestReasonTexts(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasonCount {
		if text := r.String(); text == "" || seen[text] {
			t.Errorf("reason %d is %q", r, text)
		} else {
			seen[text] = true
		}
	}
	if got := reasonCount.String(); got != "unknown" {
		t.Errorf("unknown reason is %q", got)
	}
}

// TestRequestFindsThePingTimeoutFirst has a request and the clock look at one deadline at the same time.
func TestRequestFindsThePingTimeoutFirst(t *testing.T) {
	for range 50 {
		srv := New(Config{})
		close(srv.stop) // the clock is run by hand
		srv.wg.Wait()
		ws := &WebSocket{receiver: Nobody{}}
		c := &ws.c
		c.init(srv, (*webSocketOwner)(ws), "", 1)
		heartbeat := srv.Heartbeat(HeartbeatOptions{Interval: time.Hour, Timeout: time.Hour, Ping: wsPing, Last: wsLast})
		c.StartHeartbeat(heartbeat)
		c.Lock()
		c.unanswered = true
		srv.clock.startLocked(c, heartbeat.timeout, 1-heartbeat.timeout.after) // due since the clock was made
		c.Unlock()
		var wg sync.WaitGroup
		wg.Go(func() { srv.clock.arm(0) })
		wg.Go(func() {
			c.Lock()
			defer c.Unlock()
			if c.CheckPongLocked(); c.OpenLocked() || c.ReasonLocked() != ReasonPingTimeout {
				t.Errorf("after the ping timeout: open %v, %v", c.OpenLocked(), c.ReasonLocked())
			}
		})
		wg.Wait()
		srv.wg.Wait()
	}
}
