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

func newGuest() *guest {
	g := new(guest)
	g.init(New(Config{Hub: hub.New()}), sinkFunc(func(*hub.Message) bool { return true }))
	return g
}

func text(s string) *wire.Message { return wire.Text([]byte(s)) }

func TestGuestHoldsBackUntilItIsOpened(t *testing.T) {
	g, out := newGuest(), new(fakeSocket)
	var want []string
	for i := range maxEarly {
		want = append(want, fmt.Sprint(i))
		if !g.deliver(text(want[i]), i%2 == 1) {
			t.Fatalf("message %d was not kept", i)
		}
	}
	if g.deliver(text("too many"), false) {
		t.Error("there is no bound on what is kept")
	}
	if g.Closed() || len(out.sent) != 0 {
		t.Error("something was sent before the connection was opened")
	}
	g.open(out)
	for _, volatile := range []bool{false, true} {
		want = append(want, "live")
		if !g.deliver(text("live"), volatile) {
			t.Errorf("volatile %t: not sent", volatile)
		}
	}
	want = append(want, "late")
	if !g.hold(text("late")) { // it was opened between two looks at the state
		t.Error("a message was lost while the connection was opened")
	}
	if !slices.Equal(out.sent, want) {
		t.Errorf("sent %q, want %q", out.sent, want)
	}
}

func TestGuestLeavesOnce(t *testing.T) {
	for _, early := range []bool{true, false} {
		g, out, parted := newGuest(), new(fakeSocket), []string{}
		part := func(how string) { g.leave(func() { parted = append(parted, how) }) }
		g.deliver(text("bye"), false)
		if !early {
			g.open(out)
		}
		part("first")
		part("second")
		if !g.Closed() || g.deliver(text("never"), false) || g.deliver(text("never"), true) {
			t.Errorf("early %t: a guest that leaves takes messages", early)
		}
		if early {
			if len(parted) != 0 {
				t.Error("it left a connection that was not there")
			}
			g.open(out)
		}
		if !slices.Equal(parted, []string{"first"}) || !slices.Equal(out.sent, []string{"bye"}) {
			t.Errorf("early %t: parted %q after %q, want first after bye", early, parted, out.sent)
		}
	}
}

func TestGuestIsReleasedOnce(t *testing.T) {
	g, told, out := newGuest(), new(goodbyes), new(fakeSocket)
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	rooms := g.server.cfg.Hub
	rooms.Join(g.Member(), room)
	g.deliver(text("never"), false)
	g.release(told, conn.ReasonTransportError.String()) // the connection ends before open is told of it
	g.release(told, conn.ReasonForcedClose.String())
	if want := []string{conn.ReasonTransportError.String()}; !slices.Equal(*told, want) {
		t.Errorf("the session was told %q, want %q", *told, want)
	}
	if rooms.Contains(g.Member(), room) {
		t.Error("the member is still in its room")
	}
	g.leave(func() { t.Error("it left a connection that had ended") })
	g.open(out)
	if !g.Closed() || g.deliver(text("never"), false) || len(out.sent) != 0 {
		t.Errorf("an ended guest was opened and sent %q", out.sent)
	}
}

func TestGuestThatMayNotComeIn(t *testing.T) {
	g, refusal := newGuest(), errors.New("no")
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	rooms := g.server.cfg.Hub
	err := g.admit(func() error { rooms.Join(g.Member(), room); return refusal })
	if !errors.Is(err, refusal) || !g.Closed() || rooms.Contains(g.Member(), room) {
		t.Errorf("refused with %v, closed %t, still in its room %t", err, g.Closed(), rooms.Contains(g.Member(), room))
	}
}
