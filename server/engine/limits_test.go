package engine

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// TestSetLimits: sizes may change while clients are there. A websocket keeps the size that it was told, a POST does not;
// compression is agreed to by those who come while it is on, and ends at once for all.
func TestSetLimits(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{MaxPayloadBytes: 1000, OutboxBytes: 10_000, CloseTimeout: 50 * time.Millisecond}, a)
	long := "4" + strings.Repeat("signal", 500)

	old := s.connect(t)
	p := s.poller(t)
	a.next(t)
	a.next(t)
	if status := p.post(long); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a POST over the limit = %d", status)
	}
	a.mustClose(t, conn.ReasonPayloadTooLarge)

	s.conns.SetLimits(conn.Config{MaxPayloadBytes: 5000, OutboxBytes: 10_000, CompressBytes: 100})
	p = s.poller(t)
	polled := a.next(t)
	if status := p.post(long); status != http.StatusOK {
		t.Errorf("a POST within the new limit = %d", status)
	}
	if got := p.poll(); got != long {
		t.Errorf("the poll is %.40q", got)
	}
	packed := s.deflateWebSocket(t)
	session := a.next(t)
	if err := session.Send(wire.Text([]byte(long))); err != nil {
		t.Fatal(err)
	}
	if first, err := packed.Peek(1); err != nil || first[0]&testkit.RSV1 == 0 {
		t.Errorf("a websocket that came with compression gets %x, %v", first, err)
	}
	packed.Frame()

	testkit.Until(t, "empty outboxes", func() bool { return s.Stats().OutboxBytes == 0 })
	s.conns.SetLimits(conn.Config{MaxPayloadBytes: 5000, OutboxBytes: 2000})
	if err := session.Send(wire.Text([]byte(long))); err != nil {
		t.Fatal(err)
	}
	if _, got := packed.Frame(); !bytes.Equal(got, []byte(long)) {
		t.Errorf("after compression ended it gets %.40q", got)
	}
	if err := polled.Send(wire.Text([]byte(long))); err != nil {
		t.Errorf("the first message: %v", err)
	}
	if err := polled.Send(wire.Text([]byte(long))); err != conn.ErrSlowClient {
		t.Errorf("over the new MAX_OUTBOX_BYTES: %v", err)
	}
	a.mustClose(t, conn.ReasonSlowClient)

	if err := old.Write(t.Context(), 1, []byte(long)); err != nil {
		t.Fatal(err)
	}
	a.mustClose(t, conn.ReasonPayloadTooLarge)
}
