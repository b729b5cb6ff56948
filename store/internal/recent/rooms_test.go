package recent

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

func fill(rs *rooms, name string, from, to int, pin bool) *Room[struct{}] {
	r := rs.Ensure(name)
	for n := from; n < to; n++ {
		rs.Append(r, entry(n), pin)
	}
	return r
}

func TestPinnedMessagesStay(t *testing.T) {
	rs := newRooms(4, 8)
	r := fill(rs, "a", 0, 3, false)
	fill(rs, "a", 3, 20, true)
	wantIDs(t, r, 3, 20)
	fill(rs, "b", 0, 10, false)
	if rs.Get("a") != r {
		t.Fatal("a room with pinned messages was dropped")
	}
	rs.Unpin(r, 10)
	wantIDs(t, r, 10, 20)
	if n, size := rs.Pinned(); n != 10 || size != 10*(2+2+entryBytes) {
		t.Errorf("Pinned = %d, %d, want 10 and their bytes", n, size)
	}
	rs.Unpin(r, 5) // what was let go stays let go
	if r.Pinned() != 10 {
		t.Errorf("%d are pinned, want 10", r.Pinned())
	}
	rs.Unpin(r, 20)
	if n, size := rs.Pinned(); n != 0 || size != 0 {
		t.Errorf("Pinned = %d, %d, want 0, 0", n, size)
	}
	if rs.Messages() > 8 || rs.OldestDirty() != nil {
		t.Errorf("%d messages, want at most 8, and no dirty room", rs.Messages())
	}
}

func TestDirtyRoomsComeInTheOrderOfTheirNewestMessage(t *testing.T) {
	rs := newRooms(4, 100)
	b := fill(rs, "b", 0, 1, true)
	fill(rs, "a", 0, 1, true)
	fill(rs, "c", 0, 1, false)
	names := func() (got []string) {
		rs.Dirty(func(r *Room[struct{}]) { got = append(got, r.Name); rs.Hold(r); rs.Release(r) })
		return got
	}
	if got := names(); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("dirty rooms are %v, want b, a", got)
	}
	fill(rs, "b", 1, 2, true)
	if got := names(); !slices.Equal(got, []string{"a", "b"}) || rs.OldestDirty() != rs.Get("a") {
		t.Errorf("dirty rooms are %v, want a, b", got)
	}
	rs.Unpin(b, 2)
	if got := names(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("dirty rooms are %v, want a", got)
	}
}

func TestHeldRoomStays(t *testing.T) {
	rs := newRooms(4, 8)
	r := rs.Ensure("a")
	rs.Hold(r)
	rs.Hold(r)
	for i := range 10 {
		fill(rs, fmt.Sprint("other ", i), 0, 4, false)
	}
	rs.Release(r)
	if rs.Get("a") != r || rs.Drop(r) {
		t.Fatal("a held room was dropped")
	}
	rs.Release(r)
	if rs.Get("a") != r || !rs.Drop(r) || rs.Get("a") != nil {
		t.Fatal("a room that is held no more can be dropped")
	}
	if rs.Drop(r) {
		t.Error("a room is dropped once")
	}
}

func TestPrependFillsTheRoomUp(t *testing.T) {
	rs := newRooms(6, 100)
	r := fill(rs, "a", 0, 3, true)
	rs.Shift(r, 50) // 50 were there before, it turned out
	if r.First() != 50 || r.Next() != 53 {
		t.Fatalf("positions %d to %d, want 50 to 53", r.First(), r.Next())
	}
	var older []Entry
	for n := range 10 {
		older = append(older, entry(40+n))
	}
	rs.Prepend(r, older)
	if got, want := ids(r), []string{"47", "48", "49", "0", "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("the room holds %v, want %v", got, want)
	}
	if r.First() != 47 || r.At(49).ID != "49" || r.At(50).ID != "0" {
		t.Errorf("first position is %d, want 47", r.First())
	}
}

func TestFind(t *testing.T) {
	rs := newRooms(100, 100)
	r := fill(rs, "a", 0, 10, false)
	rs.Append(r, entry(5), false) // the same id and time again
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
	r := fill(rs, "a", 0, 15, false) // holds 5 to 14
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

func TestRingGivesBackWhatABurstTook(t *testing.T) {
	rs := newRooms(8, 100_000)
	r := fill(rs, "a", 0, 50_000, true)
	if len(r.slots) < 50_000 {
		t.Fatalf("%d slots for 50,000 messages", len(r.slots))
	}
	rs.Unpin(r, 50_000)
	wantIDs(t, r, 49_992, 50_000)
	if len(r.slots) > 16*minSlots {
		t.Errorf("%d slots for 8 messages", len(r.slots))
	}
}

// Random changes: the sums always are what the rooms add up to, and the bounds hold for what may be dropped.
func TestSumsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rs := newRooms(7, 50)
	held := map[*Room[struct{}]]int{}
	for range 20_000 {
		r := rs.Ensure(fmt.Sprint(rng.IntN(20)))
		switch rng.IntN(6) {
		case 0:
			rs.Unpin(r, r.First()+uint64(rng.IntN(r.Len()+1)))
		case 1:
			rs.Hold(r)
			held[r]++
		case 2:
			if held[r] > 0 {
				held[r]--
				rs.Release(r)
			}
		case 3:
			rs.Prepend(r, []Entry{})
		default:
			rs.Append(r, entry(1), rng.IntN(3) == 0)
		}
		var messages, pinned, fixed int
		var bytes, pinnedBytes int64
		for name, r := range rs.byName {
			messages += r.n
			pinned += r.pinned
			bytes += roomBytes + int64(len(name)) + int64(r.n)*(1+2+entryBytes)
			pinnedBytes += int64(r.pinned) * (1 + 2 + entryBytes)
			if r.n > max(7, r.pinned) {
				t.Fatalf("a room holds %d messages, %d pinned", r.n, r.pinned)
			}
			if r.in != &rs.idle {
				fixed += r.n
			}
		}
		if messages != rs.messages || pinned != rs.pinned || bytes != rs.bytes || pinnedBytes != rs.pinnedBytes {
			t.Fatalf("sums are %d, %d, %d, %d, want %d, %d, %d, %d", rs.messages, rs.pinned, rs.bytes, rs.pinnedBytes,
				messages, pinned, bytes, pinnedBytes)
		}
		if messages > max(50, fixed+7) {
			t.Fatalf("%d messages are held, of them only %d must stay", messages, fixed)
		}
	}
}
