package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"signalbox/server/wire"
)

func TestUserOfAMember(t *testing.T) {
	h := New()
	m := NewMember("1", nil)
	for _, step := range []struct {
		join Room
		want string
	}{
		{Room{Kind: KindRoom, Name: "tea"}, ""},
		{Room{Kind: KindUser, Name: "42"}, "42"},
		{Room{Kind: KindAccount, Name: "7"}, "7"},
	} {
		if h.Join(m, step.join); m.User() != step.want {
			t.Errorf("in %v: User() = %q, want %q", step.join, m.User(), step.want)
		}
	}
	h.Remove(m)
}

// TestPlain: a message that is not to be compressed has one form for all clients.
func TestPlain(t *testing.T) {
	d := wire.NewDeflater(1)
	for _, plain := range []bool{false, true} {
		m := &Message{Text: []byte(strings.Repeat("signal", 100)), Plain: plain}
		encoded := m.Encoded(FormText, EncodeText)
		if same := encoded.Deflated(d) == encoded; same != plain {
			t.Errorf("Plain: %v, and the compressed form is the message: %v", plain, same)
		}
		if (&Message{Plain: plain}).Encoded(FormText, EncodeText) != nil {
			t.Error("what has no text has a form")
		}
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sink that remembers what it got.
type recorder struct {
	mu     sync.Mutex
	got    []*Message
	refuse bool
}

func (r *recorder) Deliver(m *Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse {
		return false
	}
	r.got = append(r.got, m)
	return true
}

func newRecorder(id string) (*Member, *recorder) {
	r := new(recorder)
	return NewMember(id, r), r
}

func TestJoinLeaveAndRemove(t *testing.T) {
	h := New()
	a, _ := newRecorder("a")
	b, _ := newRecorder("b")
	lobby, user := Room{KindLobby, "42"}, Room{KindUser, "42"}

	if !h.Join(a, lobby) || h.Join(a, lobby) {
		t.Error("Join must report true the first time and false the second")
	}
	h.Join(a, user)
	h.Join(b, lobby)
	if got := h.Count(lobby); got != 2 {
		t.Errorf("Count(lobby) = %d, want 2", got)
	}
	if got := h.Count(user); got != 1 {
		t.Errorf("Count(user) = %d, want 1: a room of another kind with the same name", got)
	}
	if h.Leave(b, user) {
		t.Error("Leave of a room the member is not in must report false")
	}
	if !h.Leave(a, user) || h.Contains(a, user) || h.Count(user) != 0 {
		t.Error("a is still in the room it left")
	}
	if left := h.Remove(a); len(left) != 1 || left[0] != lobby {
		t.Errorf("Remove = %v, want [%v]", left, lobby)
	}
	if h.Join(a, lobby) {
		t.Error("a removed member joined")
	}
	h.Remove(b)
	if rooms := h.Counts(); len(rooms) != 0 {
		t.Errorf("Counts = %v after everybody left, want none", rooms)
	}
}

func TestJoinStopsAtTheLimit(t *testing.T) {
	h := New()
	h.MaxRoomsPerMember = 2
	a, _ := newRecorder("a")
	for i := range 3 {
		joined := h.Join(a, Room{KindRoom, fmt.Sprint(i)})
		if want := i < 2; joined != want {
			t.Errorf("Join of room %d = %v, want %v", i, joined, want)
		}
	}
	if h.RefusedJoins() != 1 || len(a.Rooms()) != 2 {
		t.Errorf("refused %d, rooms %v; want 1 and 2", h.RefusedJoins(), a.Rooms())
	}
}

func TestSendReachesEachMemberOnceInOrder(t *testing.T) {
	h := New()
	r1, r2, not := Room{KindRoom, "1"}, Room{KindRoom, "2"}, Room{KindRoom, "not"}
	both, gotBoth := newRecorder("both")
	one, gotOne := newRecorder("one")
	barred, gotBarred := newRecorder("barred")
	sender, gotSender := newRecorder("sender")
	full, gotFull := newRecorder("full")
	gotFull.refuse = true
	for m, rooms := range map[*Member][]Room{both: {r1, r2}, one: {r1}, barred: {r2, not}, sender: {r1}, full: {r1}} {
		for _, r := range rooms {
			h.Join(m, r)
		}
	}
	var want []*Message
	for range 100 {
		msg := new(Message)
		want = append(want, msg)
		n := h.SendSelectionHere(Selection{Rooms: []Room{r1, r2}, Except: []Room{not}, ExceptMembers: []*Member{sender}}, msg)
		if n != 2 {
			t.Fatalf("SendSelection = %d, want 2", n)
		}
	}
	if !slices.Equal(gotBoth.got, want) || !slices.Equal(gotOne.got, want) {
		t.Error("messages are missing, doubled or out of order")
	}
	if len(gotBarred.got)+len(gotSender.got)+len(gotFull.got) != 0 {
		t.Error("a member that was excepted or refused got a message")
	}
	if n := h.Send(r1, new(Message), sender); n != 2 {
		t.Errorf("Send = %d, want 2", n)
	}
	if n := h.Send(Room{KindRoom, "nobody"}, new(Message)); n != 0 {
		t.Errorf("Send to an empty room = %d", n)
	}
}

func TestEncodedOncePerForm(t *testing.T) {
	msg := &Message{Text: []byte("text")}
	calls := 0
	encode := func(m *Message) *wire.Message { calls++; return EncodeText(m) }
	first := msg.Encoded(FormText, encode)
	if again := msg.Encoded(FormText, encode); again != first || calls != 1 {
		t.Errorf("encoded %d times, want once", calls)
	}
	if msg.Encoded(FormSSE, EncodeSSE) != nil {
		t.Error("a message without an SSE record has one")
	}
}

// Rooms that fill and empty under many hands must end empty, and every message must find each steady member once.
func TestRoomsUnderConcurrentUse(t *testing.T) {
	h := New()
	room := Room{KindRoom, "busy"}
	steady, got := newRecorder("steady")
	h.Join(steady, room)
	const workers, rounds = 8, 400
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range rounds {
				m, _ := newRecorder("m")
				h.Join(m, room)
				h.Join(m, Room{KindRoom, fmt.Sprint(rng.IntN(3))})
				h.Send(room, new(Message))
				if i%2 == 0 {
					h.Leave(m, room)
				}
				h.Remove(m)
			}
		})
	}
	wg.Wait()
	if len(got.got) != workers*rounds {
		t.Errorf("the steady member got %d messages, want %d", len(got.got), workers*rounds)
	}
	if h.Count(room) != 1 {
		t.Errorf("Count = %d, want the steady member alone", h.Count(room))
	}
	h.Remove(steady)
	if c := h.Counts(); len(c) != 0 {
		t.Errorf("rooms left behind: %v", c)
	}
}

type discard struct{}

func (discard) Deliver(*Message) bool { return true }

func BenchmarkSend(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			h := New()
			room := Room{KindRoom, "r"}
			for range n {
				h.Join(NewMember("", discard{}), room)
			}
			msg := new(Message)
			b.ReportAllocs()
			for b.Loop() {
				h.Send(room, msg)
			}
		})
	}
}

// A socket is in its own room and in that of its namespace: selections name it by them, and no limit counts them.
func TestOwnRooms(t *testing.T) {
	h := New()
	h.MaxRoomsPerMember = 1
	var got []string
	enter := func(id string) *Member {
		m := NewMember(id, sinkFunc(func(*Message) bool { got = append(got, id); return true }))
		h.Enter(m, SocketRoom("/", id), EverybodyRoom("/"))
		return m
	}
	a, b := "aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"
	ann, bob := enter(a), enter(b)
	team, other := NamespaceRoom("/", "team"), NamespaceRoom("/", "other")
	if !h.Join(ann, team) || h.Join(ann, other) {
		t.Error("the limit of one room is not one room")
	}
	if n := h.Counts(); len(n) != 1 || n[KindNamespace] != 1 {
		t.Errorf("counts = %v, want the one room that was joined", n)
	}
	for name, tc := range map[string]struct {
		sel  Selection
		want []string
	}{
		"everybody":        {Selection{}, []string{a, b}},
		"but one":          {Selection{Except: []Room{SocketRoom("/", a)}}, []string{b}},
		"but a member":     {Selection{ExceptMembers: []*Member{bob}}, []string{a}},
		"one by its id":    {Selection{Rooms: []Room{NamespaceRoom("/", b)}}, []string{b}},
		"each once":        {Selection{Rooms: []Room{team, EverybodyRoom("/"), SocketRoom("/", a)}}, []string{a, b}},
		"nobody of a room": {Selection{Rooms: []Room{team}, Except: []Room{team}}, nil},
	} {
		got = nil
		n := h.SendSelectionHere(tc.sel, &Message{Namespace: "/"})
		slices.Sort(got)
		if n != len(tc.want) || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %d, %v, want %v", name, n, got, tc.want)
		}
	}
	if left := h.Remove(ann); len(left) != 3 {
		t.Errorf("left %v, want three rooms", left)
	}
}

type sinkFunc func(*Message) bool

func (f sinkFunc) Deliver(m *Message) bool { return f(m) }
