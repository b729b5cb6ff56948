package door

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// goodbyes is a session that keeps the reasons it was told.
type goodbyes []string

func (g *goodbyes) Close(reason string) { *g = append(*g, reason) }

// sinkFunc is a [hub.Sink] made of a function.
type sinkFunc func(*hub.Message) bool

func (f sinkFunc) Deliver(m *hub.Message) bool { return f(m) }

func newClient() *client {
	c := new(client)
	c.init(New(Config{Hub: hub.New()}), sinkFunc(func(*hub.Message) bool { return true }))
	return c
}

func text(s string) *wire.Message { return wire.Text([]byte(s)) }

func TestClientHoldsBackUntilItIsOpened(t *testing.T) {
	c, out := newClient(), new(fakeSocket)
	var want []string
	for i := range maxEarly {
		want = append(want, fmt.Sprint(i))
		if !c.deliver(text(want[i]), i%2 == 1) {
			t.Fatalf("message %d was not kept", i)
		}
	}
	if c.deliver(text("too many"), false) {
		t.Error("there is no bound on what is kept")
	}
	if c.Closed() || len(out.sent) != 0 {
		t.Error("something was sent before the connection was opened")
	}
	c.open(out)
	for _, volatile := range []bool{false, true} {
		want = append(want, "live")
		if !c.deliver(text("live"), volatile) {
			t.Errorf("volatile %t: not sent", volatile)
		}
	}
	want = append(want, "late")
	if !c.hold(text("late")) { // it was opened between two looks at the state
		t.Error("a message was lost while the connection was opened")
	}
	if !slices.Equal(out.sent, want) {
		t.Errorf("sent %q, want %q", out.sent, want)
	}
}

func TestClientLeavesOnce(t *testing.T) {
	for _, early := range []bool{true, false} {
		c, out, parted := newClient(), new(fakeSocket), []string{}
		part := func(how string) { c.leave(func() { parted = append(parted, how) }) }
		c.deliver(text("bye"), false)
		if !early {
			c.open(out)
		}
		part("first")
		part("second")
		if !c.Closed() || c.deliver(text("never"), false) || c.deliver(text("never"), true) {
			t.Errorf("early %t: a client that leaves takes messages", early)
		}
		if early {
			if len(parted) != 0 {
				t.Error("it left a connection that was not there")
			}
			c.open(out)
		}
		if !slices.Equal(parted, []string{"first"}) || !slices.Equal(out.sent, []string{"bye"}) {
			t.Errorf("early %t: parted %q after %q, want first after bye", early, parted, out.sent)
		}
	}
}

func TestClientIsReleasedOnce(t *testing.T) {
	c, told, out := newClient(), new(goodbyes), new(fakeSocket)
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	rooms := c.server.cfg.Hub
	rooms.Join(c.Member(), room)
	c.deliver(text("never"), false)
	c.release(told, conn.ReasonTransportError.String()) // the connection ends before open is told of it
	c.release(told, conn.ReasonForcedClose.String())
	if want := []string{conn.ReasonTransportError.String()}; !slices.Equal(*told, want) {
		t.Errorf("the session was told %q, want %q", *told, want)
	}
	if rooms.Contains(c.Member(), room) {
		t.Error("the member is still in its room")
	}
	c.leave(func() { t.Error("it left a connection that had ended") })
	c.open(out)
	if !c.Closed() || c.deliver(text("never"), false) || len(out.sent) != 0 {
		t.Errorf("an ended client was opened and sent %q", out.sent)
	}
}

func TestClientThatMayNotComeIn(t *testing.T) {
	c, refusal := newClient(), errors.New("no")
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	rooms := c.server.cfg.Hub
	err := c.admit(func() error { rooms.Join(c.Member(), room); return refusal })
	if !errors.Is(err, refusal) || !c.Closed() || rooms.Contains(c.Member(), room) {
		t.Errorf("refused with %v, closed %t, still in its room %t", err, c.Closed(), rooms.Contains(c.Member(), room))
	}
}
