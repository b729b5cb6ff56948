package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// deflateWebSocket begins a session on a websocket that has agreed to compression.
func (s *site) deflateWebSocket(t testing.TB) *testkit.Raw {
	t.Helper()
	r := s.raw(t)
	r.Send([]byte(testkit.Offering(upgradeRequest("EIO=4&transport=websocket"), "permessage-deflate; client_max_window_bits")))
	r.Head(http.StatusSwitchingProtocols)
	if op, open := r.Frame(); op != testkit.Text || open[0] != packetOpen {
		t.Fatalf("first frame is %v %q", op, open)
	}
	return r
}

// chatter is 4 KB of JSON as applications send it: a list of people, no two of them alike.
func chatter() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	type person struct {
		ID     int    `json:"id"`
		Name   string `json:"name"`
		Online bool   `json:"online"`
		Seen   string `json:"lastSeenAt"`
		Room   string `json:"room"`
	}
	event := []byte(`42["people",`)
	var people []person
	for {
		people = append(people, person{random.IntN(1e6), fmt.Sprintf("user %d", random.IntN(1e4)), random.IntN(2) == 0,
			fmt.Sprintf("2026-11-%02dT%02d:%02d:%02dZ", 1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60)), "lobby"})
		list, _ := json.Marshal(people) // numbers and texts: it cannot fail
		if len(list) >= 4*kiB {
			return append(append(event, list...), ']')
		}
	}
}

// TestRoomIsCompressedOnce: a broadcast to a thousand clients costs one compression, and a third of the bytes at most.
func TestRoomIsCompressedOnce(t *testing.T) {
	clients := 1000
	if raceEnabled {
		clients = 100 // a thousand take seconds then
	}
	a := newApp()
	s := start(t, conn.Config{CompressBytes: 1024, OutboxBytes: 64 << 20}, a)
	plain := s.rawWebSocket(t)
	sessions := []*Session{a.next(t)}
	packed := make([]*testkit.Raw, clients)
	for i := range packed {
		packed[i] = s.deflateWebSocket(t)
		sessions = append(sessions, a.next(t))
	}
	before := s.conns.Stats()
	message := wire.Text(chatter())
	for _, session := range sessions {
		if err := session.Send(message); err != nil {
			t.Fatal(err)
		}
	}
	if _, got := plain.Frame(); string(got) != string(chatter()) {
		t.Errorf("a client without compression got %d bytes", len(got))
	}
	for _, r := range packed {
		r.SetDeadline(time.Now().Add(testkit.Patience))
		if first, err := r.Peek(1); err != nil || first[0] != 0x80|testkit.RSV1|testkit.Text {
			t.Fatalf("first byte %x, %v", first, err)
		}
		if _, got := r.Frame(); string(testkit.Inflated(t, got)) != string(chatter()) {
			t.Fatalf("got %d bytes", len(got))
		}
	}
	var after Stats
	testkit.Until(t, "all counted", func() bool {
		after = s.Stats()
		return after.PacketsOut-before.PacketsOut == uint64(clients)+1
	})
	bytes, uncompressed := after.BytesOut-before.BytesOut-uint64(message.Size()), uint64(clients*message.Size())
	t.Logf("%d bytes in place of %d", bytes, uncompressed)
	if bytes > uncompressed/3 {
		t.Errorf("%d bytes to %d clients, uncompressed %d", bytes, clients, uncompressed)
	}
	if got := after.Compressed - before.Compressed; got != 1 {
		t.Errorf("%d compressions", got)
	}
}

// TestCompressionBehindAnUpgrade: what polls does not compress, and the websocket it goes on by does, both ways.
func TestCompressionBehindAnUpgrade(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{CompressBytes: 100}, a)
	p := s.poller(t)
	long := "4" + strings.Repeat("signal", 100)
	p.post(long)
	if got := p.poll(); got != long {
		t.Errorf("poll is %.40q", got)
	}
	r := s.raw(t)
	r.Send([]byte(testkit.Offering(upgradeRequest("EIO=4&transport=websocket&sid="+p.sid), "permessage-deflate")))
	r.Head(http.StatusSwitchingProtocols)
	r.Send(testkit.TextFrame("2probe"))
	if _, got := r.Frame(); string(got) != "3probe" {
		t.Fatalf("probe is answered by %q", got)
	}
	packed := testkit.Frame(testkit.Text|testkit.RSV1, true, testkit.Deflated([]byte(long)))
	r.Send(testkit.TextFrame("5"), packed)
	first, err := r.Peek(1)
	if _, got := r.Frame(); err != nil || first[0]&testkit.RSV1 == 0 || string(testkit.Inflated(t, got)) != long {
		t.Errorf("frame %x of %d bytes, %v", first, len(got), err)
	}
	r.Send(testkit.TextFrame("4short"))
	if _, got := r.Frame(); string(got) != "4short" {
		t.Errorf("got %q", got)
	}
}

// TestAttachmentsAreCompressed by the same rule, each for itself.
func TestAttachmentsAreCompressed(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{CompressBytes: 100}, a)
	r := s.deflateWebSocket(t)
	image := bytes.Repeat([]byte{1, 2, 3}, 1000)
	if err := a.next(t).Send(withAttachments([]byte("451-[]"), [][]byte{image, {7}})); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"451-[]", string(image), "\x07"} {
		first, err := r.Peek(1)
		if err != nil {
			t.Fatal(err)
		}
		packed := first[0]&testkit.RSV1 != 0
		_, got := r.Frame()
		if packed {
			got = testkit.Inflated(t, got)
		}
		if packed != (i == 1) || string(got) != want {
			t.Errorf("part %d: %d bytes, compressed: %v", i, len(got), packed)
		}
	}
}

// BenchmarkCompressedFanout is a message of 4 KB of JSON to a thousand clients: as it is and compressed.
func BenchmarkCompressedFanout(b *testing.B) {
	const clients = 1000
	for _, compress := range []int{0, 1024} {
		b.Run(fmt.Sprintf("compress=%d", compress), func(b *testing.B) {
			a := newApp()
			s := start(b, conn.Config{CompressBytes: compress, PingInterval: time.Hour}, a) // a ping would be counted
			crowd := newAudience(b, s, a, 0)
			for range clients {
				crowd.admit(b, a, s.deflateWebSocket(b))
			}
			size := wire.Text(chatter()).Size()
			if compress > 0 {
				size = wire.Text(chatter()).Deflated(wire.NewDeflater(compress)).Size()
			}
			for b.Loop() {
				crowd.expect(size * clients)
				message := wire.Text(chatter())
				for _, session := range crowd.sessions {
					session.Send(message)
				}
				crowd.wait()
			}
			b.ReportMetric(float64(size), "bytes/delivery")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/delivery")
		})
	}
}
