package door

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/recovery"
)

// lasting is a place whose streams at /room go on; each is in two rooms.
func lasting(t *testing.T, stay time.Duration) (p *place, store *recovery.Store, send func(n int) *hub.Message) {
	store = recovery.New(recovery.Config{Time: stay, Bytes: 1 << 20})
	t.Cleanup(store.Close)
	p = newPlace(t, conn.Config{OutboxBytes: 1 << 20}, func(c *Config) { c.Recovery = store })
	rooms := [2]hub.Room{{Kind: hub.KindAccount, Name: "ann"}, {Kind: hub.KindTopic, Name: "broadcast"}}
	p.mux.Handle("/room", p.doors.LastingStream(streams{connect: func(peer app.StreamPeer, _ app.Visit) error {
		p.hub.Join(peer.Member(), rooms[0])
		p.hub.Join(peer.Member(), rooms[1])
		return nil
	}}))
	return p, store, func(n int) *hub.Message {
		m := &hub.Message{SSE: fmt.Appendf(nil, "data: %d\n\n", n)}
		p.hub.Send(rooms[n%2], m)
		return m
	}
}

// wantNumber reads a record and returns its id.
func (f *follower) wantNumber(n int) (id string) {
	f.t.Helper()
	line, err := f.in.ReadString('\n')
	id, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "id: ")
	if err != nil || !ok || len(id) != recovery.OffsetLength {
		f.t.Fatalf("read %q, %v, want an id", line, err)
	}
	f.want(fmt.Sprintf("data: %d", n))
	return id
}

func awaitAway(store *recovery.Store, n int) {
	for store.Stats().Away != n {
		time.Sleep(time.Millisecond)
	}
}

func TestStreamGoesOn(t *testing.T) {
	p, store, send := lasting(t, time.Minute)
	f := p.follow("/room")
	send(1)
	first := f.wantNumber(1)
	f.close()
	awaitAway(store, 1)
	for n := 2; n <= 400; n++ { // more than may wait for a stream to open
		if m := send(n); m.Held() != 1 {
			t.Fatalf("held for %d", m.Held())
		}
	}
	last := first
	for round := range 2 { // the second time for who has got all of it and did not know
		f = p.follow("/room", "Last-Event-ID", first)
		for n := 2; n <= 400+round; n++ {
			last = f.wantNumber(n)
		}
		awaitAway(store, 0)
		if m := send(401 + round); m.Held() != 0 {
			t.Error("held for somebody who is back")
		}
		f.wantNumber(401 + round)
		f.close()
		awaitAway(store, 1)
	}
	f = p.follow("/room", "Last-Event-ID", last)
	f.wantNumber(402)
	f = p.follow("/room", "Last-Event-ID", "of another server")
	send(403)
	f.wantNumber(403)
	if s := store.Stats(); s.Recovered != 3 || s.Failed["position"] != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestStreamThatReturnsEarly: a client that is back before its cut was noticed is not away, then or later.
func TestStreamThatReturnsEarly(t *testing.T) {
	p, store, send := lasting(t, time.Minute)
	before := p.follow("/room")
	send(1)
	last := before.wantNumber(1)
	send(2)
	f := p.follow("/room", "Last-Event-ID", last)
	f.wantNumber(2)
	before.wantNumber(2)
	before.close()
	for p.hub.Count(hub.Room{Kind: hub.KindTopic, Name: "broadcast"}) != 1 {
		time.Sleep(time.Millisecond)
	}
	if m := send(3); m.Held() != 0 || store.Stats().Away != 0 {
		t.Errorf("held for %d, %d away, want nobody", m.Held(), store.Stats().Away)
	}
	last = f.wantNumber(3)
	f.close() // the last one leaves its rooms' logs behind
	awaitAway(store, 1)
	send(4)
	p.follow("/room", "Last-Event-ID", last).wantNumber(4)
	awaitAway(store, 0)
}

// TestStreamsGoOnAmongMessages: what is sent while a stream opens comes once.
func TestStreamsGoOnAmongMessages(t *testing.T) {
	p, _, send := lasting(t, time.Minute)
	f := p.follow("/room")
	send(1)
	last := f.wantNumber(1)
	const messages = 2000
	done := make(chan struct{})
	go func() { // awaited below
		defer close(done)
		for n := 2; n <= messages; n++ {
			send(n)
			time.Sleep(50 * time.Microsecond)
		}
	}()
	for n := 2; n <= messages; n++ {
		if n%100 == 0 {
			f.close()
			f = p.follow("/room", "Last-Event-ID", last)
		}
		last = f.wantNumber(n)
	}
	<-done
}

// TestStreamThatDoesNotComeBack leaves its rooms when its time is over.
func TestStreamThatDoesNotComeBack(t *testing.T) {
	p, store, send := lasting(t, 50*time.Millisecond)
	f := p.follow("/room")
	send(1)
	f.wantNumber(1)
	f.close()
	awaitAway(store, 0)
	for send(2).Held() > 0 || p.hub.Count(hub.Room{Kind: hub.KindAccount, Name: "ann"}) > 0 {
		time.Sleep(time.Millisecond)
	}
	p.doors.absent.mu.Lock()
	defer p.doors.absent.mu.Unlock()
	if n := len(p.doors.absent.peers); n != 0 {
		t.Errorf("%d are remembered", n)
	}
}
