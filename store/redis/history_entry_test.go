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
			head := string(appendHead(nil, "writer.1", &e))
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
	for _, head := range []string{"", " ", "   ", "1001763644859123", "1001763644859123 t", "1001763644859123 t 5", "1001763644859123  5 id",
		"101763644859123 t 5 id", "x001763644859123 t 5 id", "1001763644859123 t x id", "1001763644859123 t -5 id"} {
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
	f.Add("1001763644859123 w.1 99 id", "{}", "last", int64(3), int64(0), uint8(0))
	f.Add("1001763644859123 w.1 99 ", "", "", int64(0), int64(1), uint8(1))
	f.Add("garbage", "\x00", "id", int64(-1), int64(1<<40), uint8(2))
	f.Add("", "", "time", int64(5), int64(2), uint8(3))
	f.Fuzz(func(t *testing.T, head, body, found string, mark, newer int64, shape uint8) {
		a, b := recent.Entry{ID: "a", JSON: "1", Milli: 5}, recent.Entry{ID: "b", JSON: "2", Milli: 6}
		reply := []any{mark, found, newer, int64(0), string(appendHead(nil, "w.2", &b)), "2"}
		switch shape % 6 {
		case 0:
			reply = append(reply, head, body)
		case 1:
			reply = append(reply, nil, body)
		case 2:
			reply = append(reply, head, nil)
		case 3:
			reply = append(reply, int64(shape), []any{head})
		case 4:
			reply[shape%4] = body
		case 5:
			reply = reply[:shape%5]
			_, _ = parsePage(reply)
			_, _, _ = parseStatus(reply)
			_ = new(survey).add(0, append(reply, head, body, found))
			return
		}
		reply = append(reply, string(appendHead(nil, "w.1", &a)), "1")
		p, err := parsePage(reply)
		if err != nil {
			return
		}
		if n := len(p.entries); n < 2 || p.entries[0] != a || p.entries[n-1] != b || n+p.damaged != 3-int(shape%6/4) {
			t.Fatalf("parsePage(%q) = %+v", reply, p)
		}
		for i := range p.entries {
			again, ok := parseHead(string(appendHead(nil, "w.3", &p.entries[i])))
			again.JSON = p.entries[i].JSON
			if !ok || again != p.entries[i] {
				t.Fatalf("%v comes back as %v, %v", p.entries[i], again, ok)
			}
		}
		s := new(survey)
		if err := s.add(1, []any{mark, newer, int64(2), "5", head, body, found, "r", "5", "3 4 5"}); err != nil {
			t.Fatal(err)
		}
		if n := len(s.waiting); n != 2 || s.waiting[1].messages != 3 {
			t.Fatalf("a survey has %+v", s.waiting)
		}
		s.victims(1, 1)
	})
}
