package redis

import (
	"math"
	"strings"
	"testing"
	"time"

	"signalbox/store/internal/recent"
)

func TestHistoryHead(t *testing.T) {
	for _, milli := range []int64{0, 1, -1, time.Now().UnixMilli(), time.Time{}.UnixMilli(), 253402300799999} {
		for _, id := range []string{"", "a", " ", "a b  c", "\x00\xff\n", strings.Repeat("x", 10_000)} {
			e := recent.Entry{ID: id, Milli: milli}
			head := string(appendHead(nil, "writer-12345", 1, &e))
			if got, ok := parseHead(head); !ok || got != e {
				t.Errorf("parseHead(%.60q) = %v, %v, want %v", head, got, ok, e)
			}
		}
	}
	for _, milli := range []int64{math.MinInt64, math.MaxInt64} {
		if text := appendMilli(nil, milli); len(text) != 16 {
			t.Errorf("a time is %q, want 16 digits", text)
		}
	}
	for _, head := range []string{
		"", " ", "   ", "1001763644859123", "1001763644859123 012345678901234567890", "1001763644859123 012345678901234567890 ",
		"1001763644859123 012345678901234567890 5", "1001763644859123 0123456789 1234567890 5 id", "1001763644859123 01234567890123456789 5 id",
		"101763644859123 012345678901234567890 5 id", "x001763644859123 012345678901234567890 5 id",
		"1001763644859123 012345678901234567890 x id", "1001763644859123 012345678901234567890 -5 id", "1001763644859123 012345678901234567890  id",
	} {
		if e, ok := parseHead(head); ok {
			t.Errorf("parseHead(%q) = %v, want that it is none", head, e)
		}
	}
}

func TestHistoryRoomKey(t *testing.T) {
	for _, plain := range []string{"42", "lobby", "Room_1-a.b", strings.Repeat("x", 64)} {
		if got := roomKey(plain); got != plain {
			t.Errorf("roomKey(%q) = %q, want the name", plain, got)
		}
	}
	for _, other := range []string{"", "a b", "ä", "*messages", "~x", "{x}", "a:b", strings.Repeat("x", 65)} {
		if got := roomKey(other); len(got) != 25 || got[0] != '~' {
			t.Errorf("roomKey(%q) = %q, want a hash", other, got)
		}
	}
}

// Whatever comes back from Redis: nothing panics, and what is a message beside it is kept.
func FuzzHistoryPage(f *testing.F) {
	token := func(n int64) string { return string(appendToken(nil, "writer-12345", n)) }
	head := func(e *recent.Entry) string { return string(appendHead(nil, "writer-12345", 7, e)) }
	f.Add("1001763644859123 "+token(1)+" 99 id", "{}", "last", int64(3), int64(0), uint8(0))
	f.Add("1001763644859123 "+token(2)+" 99 ", "", "", int64(0), int64(1), uint8(1))
	f.Add("garbage", "\x00", "id", int64(-1), int64(1<<40), uint8(2))
	f.Add("", "", "time", int64(5), int64(2), uint8(3))
	f.Fuzz(func(t *testing.T, text, body, found string, mark, newer int64, shape uint8) {
		a, b := recent.Entry{ID: "a", JSON: "1", Milli: 5}, recent.Entry{ID: "b", JSON: "2", Milli: 6}
		heads, bodies := []any{head(&b), text, head(&a)}, []any{"2", body, "1"}
		reply := []any{mark, found, newer, heads[:1], bodies[:1], heads[1:], bodies[1:]}
		switch shape % 8 {
		case 0:
			heads[1] = nil
		case 1:
			bodies[1] = nil
		case 2:
			heads[1], bodies[1] = int64(shape), []any{text}
		case 3:
			reply[shape%7] = body
		case 4:
			reply = reply[:shape%7]
		case 5:
			reply[3] = heads
		}
		p, err := parsePage(reply)
		_, _, _ = parseStatus(reply)
		_ = new(survey).add(0, append(reply, text, body, found))
		if shape%8 >= 3 && shape%8 <= 5 || mark < 0 || newer < 0 {
			return
		}
		if err != nil {
			t.Fatalf("parsePage(%q) = %v", reply, err)
		}
		if n := len(p.entries); n < 2 || p.entries[0] != a || p.entries[n-1] != b || n+p.damaged != 3 {
			t.Fatalf("parsePage(%q) = %+v", reply, p)
		}
		for i := range p.entries {
			again, ok := parseHead(head(&p.entries[i]))
			again.JSON = p.entries[i].JSON
			if !ok || again != p.entries[i] {
				t.Fatalf("%v comes back as %v, %v", p.entries[i], again, ok)
			}
		}
		s := new(survey)
		if err := s.add(1, []any{mark, newer, int64(2), "5", text, body, found, "r", "5", "3 4 5 6"}); err != nil {
			t.Fatal(err)
		}
		if n := len(s.waiting); n != 2 || s.waiting[1].messages != 3 {
			t.Fatalf("a survey has %+v", s.waiting)
		}
		s.victims(1, 1)
	})
}
