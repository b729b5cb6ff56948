package recent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

type rooms = Rooms[struct{}]

func entry(n int) Entry { return Entry{ID: fmt.Sprint(n), JSON: "{}", Milli: int64(n)} }

// ids returns the ids of all messages of a room.
func ids(r *Room[struct{}]) []string {
	var got []string
	for from, to := r.Range(r.Next(), r.Len()); from < to; from++ {
		got = append(got, r.At(from).ID)
	}
	return got
}

func wantIDs(t *testing.T, r *Room[struct{}], from, to int) {
	t.Helper()
	var want []string
	for n := from; n < to; n++ {
		want = append(want, fmt.Sprint(n))
	}
	if got := ids(r); !slices.Equal(got, want) {
		t.Fatalf("the room holds %v, want %v", got, want)
	}
	if r.First() != uint64(from) || r.Next() != uint64(to) {
		t.Fatalf("the room is at positions %d to %d, want %d to %d", r.First(), r.Next(), from, to)
	}
}

func newRooms(perRoom, all int) *rooms {
	return New[struct{}](Limits{RoomMessages: perRoom, RoomBytes: 1 << 20, Messages: all, Bytes: 1 << 20})
}

func fill(rs *rooms, name string, from, to int) *Room[struct{}] {
	r := rs.Ensure(name)
	for n := from; n < to; n++ {
		rs.Append(r, entry(n))
	}
	return r
}

func TestFind(t *testing.T) {
	rs := newRooms(100, 100)
	r := fill(rs, "a", 0, 10)
	rs.Append(r, entry(5)) // the same id and time again
	if at, ok := r.FindID("5"); !ok || at != 10 {
		t.Errorf("FindID = %d, %v, want the newest, 10", at, ok)
	}
	if _, ok := r.FindID("x"); ok {
		t.Error("FindID finds what is not there")
	}
	if end, ok := r.FindTime(8); !ok || end != 11 {
		t.Errorf("FindTime = %d, %v, want 11: the newest message is older", end, ok)
	}
	if _, ok := r.FindTime(0); ok {
		t.Error("FindTime finds something older than the oldest")
	}
}

func TestRange(t *testing.T) {
	rs := newRooms(10, 100)
	r := fill(rs, "a", 0, 15) // holds 5 to 14
	for _, c := range []struct {
		end      uint64
		limit    int
		from, to uint64
	}{
		{15, 3, 12, 15}, {99, 3, 12, 15}, {15, 99, 5, 15}, {8, 2, 6, 8}, {6, 3, 5, 6}, {5, 3, 5, 5}, {0, 3, 5, 5}, {15, 0, 15, 15},
		{15, -1, 15, 15},
	} {
		if from, to := r.Range(c.end, c.limit); from != c.from || to != c.to {
			t.Errorf("Range(%d, %d) = %d, %d, want %d, %d", c.end, c.limit, from, to, c.from, c.to)
		}
	}
}

func TestRingGivesBackWhatSmallMessagesTook(t *testing.T) {
	rs := newRooms(100_000, 100_000)
	r := fill(rs, "a", 0, 20_000)
	if len(r.slots) < 20_000 {
		t.Fatalf("%d slots for 20,000 messages", len(r.slots))
	}
	rs.Append(r, Entry{ID: "20000", JSON: strings.Repeat("x", 1<<20-500)})
	wantIDs(t, r, int(r.First()), 20_001)
	if r.Len() > 16 || len(r.slots) > 16*minSlots {
		t.Errorf("%d messages in %d slots, want a few", r.Len(), len(r.slots))
	}
}

func TestTheRoomThatWaitedLongestGoes(t *testing.T) {
	rs := newRooms(4, 8)
	fill(rs, "a", 0, 4)
	fill(rs, "b", 0, 3)
	fill(rs, "a", 4, 5)
	fill(rs, "c", 0, 2)
	if rs.Get("b") != nil || rs.Get("a") == nil || rs.Get("c") == nil || rs.Evicted() != 1 {
		t.Errorf("b is there: %v, a: %v, c: %v; %d gone", rs.Get("b"), rs.Get("a"), rs.Get("c"), rs.Evicted())
	}
}

// Random changes: the sums always are what the rooms add up to, and the bounds hold.
func TestSumsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rs := newRooms(7, 50)
	for range 20_000 {
		rs.Append(rs.Ensure(fmt.Sprint(rng.IntN(20))), entry(1))
		var messages int
		var bytes int64
		for name, r := range rs.byName {
			messages += r.n
			bytes += roomBytes + int64(len(name)) + int64(r.n)*(1+2+entryBytes)
			if r.n > 7 {
				t.Fatalf("a room holds %d messages", r.n)
			}
		}
		if messages != rs.messages || bytes != rs.bytes {
			t.Fatalf("sums are %d, %d, want %d, %d", rs.messages, rs.bytes, messages, bytes)
		}
		if messages > 50 {
			t.Fatalf("%d messages are held", messages)
		}
	}
}
