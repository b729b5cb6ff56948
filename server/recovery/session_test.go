package recovery

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/wire"
)

// add appends a message to a room's log and returns it, its offset and its place.
func add(s *Store, room, text string) (*Entry, string) {
	w := wire.NewBuilder(64)
	w.Buf = append(w.Buf, text+" "...)
	at := len(w.Buf)
	w.Buf = append(w.Buf, make([]byte, OffsetLength)...)
	place := w.Buf[at:]
	e := s.Append(Room{Name: room}, w.Message(), place)
	return e, string(place)
}

func texts(messages []*wire.Message) string {
	var all []string
	for _, m := range messages {
		text, _, _ := strings.Cut(string(m.Parts()[0].Payload()), " ")
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func newStore(t *testing.T, cfg Config) *Store {
	if cfg.Time == 0 {
		cfg.Time = time.Minute
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 1 << 20
	}
	s := New(cfg)
	t.Cleanup(s.Close)
	return s
}

func open(s *Store) *Session {
	session := new(Session)
	s.Open(session, nil)
	return session
}

// TestMissedOfAnything gives a client messages of several rooms in any order, some twice, and asks at every place what it
// missed.
func TestMissedOfAnything(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := newStore(t, Config{})
		type sent struct {
			entry        *Entry
			text, offset string
		}
		var all []sent
		for i := range 60 {
			text := fmt.Sprint(i)
			e, offset := add(s, fmt.Sprint(r.IntN(3)), text)
			all = append(all, sent{e, text, offset})
		}
		for i := range all { // as concurrent senders do
			if j := i + r.IntN(3); r.IntN(3) == 0 && j < len(all) {
				all[i], all[j] = all[j], all[i]
			}
		}
		session := open(s)
		var given []sent
		for _, m := range all {
			if r.IntN(4) > 0 {
				session.Note(m.entry)
				given = append(given, m)
			}
		}
		for i := range given {
			got, err := session.Missed(given[i].offset, 1<<20)
			var want []string
			for _, m := range given[i+1:] {
				want = append(want, m.text)
			}
			if err != nil || texts(got) != strings.Join(want, " ") {
				t.Fatalf("seed %d: behind %s: %s, %v; want %s", seed, given[i].text, texts(got), err, want)
			}
		}
	}
}

func TestOffsetsOfOldMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, Config{Notice: 10 * time.Second})
		defer s.Close()
		session := open(s)
		note := func(room, text string) string {
			e, offset := add(s, room, text)
			session.Note(e)
			return offset
		}
		first := note("a", "1")
		second := note("b", "2")
		time.Sleep(time.Hour) // both are gone
		if n := s.Stats().Messages; n != 0 {
			t.Errorf("%d messages are kept after an hour", n)
		}
		if got, err := session.Missed(second, 1<<20); err != nil || len(got) != 0 {
			t.Errorf("behind the last: %s, %v, want nothing", texts(got), err)
		}
		if _, err := session.Missed(first, 1<<20); !errors.Is(err, ErrTrimmed) {
			t.Errorf("behind the first: %v, want %v", err, ErrTrimmed)
		}
		if _, err := session.Missed("", 1<<20); !errors.Is(err, ErrTrimmed) {
			t.Errorf("of all: %v, want %v", err, ErrTrimmed)
		}
		third := note("b", "3")
		if got, err := session.Missed(second, 1<<20); err != nil || texts(got) != "3" {
			t.Errorf("behind the second: %s, %v, want 3", texts(got), err)
		}
		time.Sleep(71 * time.Second)
		note("b", "4")
		if got, err := session.Missed(third, 1<<20); err != nil || texts(got) != "4" {
			t.Errorf("behind the third, which is gone: %s, %v, want 4", texts(got), err)
		}
		for i := range 100 { // runs that are gone are forgotten
			time.Sleep(71 * time.Second)
			note([]string{"a", "b"}[i%2], "5")
		}
		if n := len(session.runs); n > 8 {
			t.Errorf("%d runs of messages that are not kept", n)
		}
	})
}

func TestSecrets(t *testing.T) {
	s := newStore(t, Config{})
	session := new(Session)
	s.Open(session, "owner")
	if owner := s.Find(session.PID()); owner != "owner" || len(session.PID()) != 20 {
		t.Errorf("Find(%s) = %v", session.PID(), owner)
	}
	if owner := s.Find(session.PID()[:19] + "!"); owner != nil {
		t.Errorf("found %v", owner)
	}
	session.Close()
	if owner := s.Find(session.PID()); owner != nil || s.Stats().Bytes != 0 {
		t.Errorf("found %v after its end, %d bytes", owner, s.Stats().Bytes)
	}
}

func TestBytesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, Config{Bytes: 100_000, PerAddress: 3, Compresses: func(bytes int) bool { return bytes > 500 }})
		defer s.Close()
		var ended []Ended
		for i := range 200 {
			session := open(s)
			for j := range 10 {
				e, _ := add(s, fmt.Sprint((i+j)%7), strings.Repeat("x", 500))
				session.Note(e)
			}
			session.Away(fmt.Sprint(i%2), 10, func(why Ended) { ended = append(ended, why) })
			s.Crowd(fmt.Sprint(i%2), 1)
			if stats := s.Stats(); stats.Bytes > 100_000 || stats.Away > 4 {
				t.Fatalf("stats = %+v", stats)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if stats := s.Stats(); stats.Away != 0 || stats.Bytes != 0 || stats.Messages != 0 || len(ended) != 200 || ended[199] != EndedTime || ended[0] != EndedAddress {
			t.Errorf("stats = %+v, %d ended", stats, len(ended))
		}
	})
}

// TestCompressedFormsCount: a message that may be compressed is counted with what that may take, others are not.
func TestCompressedFormsCount(t *testing.T) {
	const size = 600 // of the frame, about
	for compress, want := range map[int]int64{size: 2 * size, 2 * size: size} {
		s := newStore(t, Config{Bytes: 100_000, Compresses: func(bytes int) bool { return bytes >= compress }})
		add(s, "room", strings.Repeat("x", size))
		if got := s.Stats().Bytes - logBytes; got < want || got > want+200 {
			t.Errorf("with compression from %d bytes on it takes %d, want about %d", compress, got, want)
		}
	}
}

func TestOneRoomLosesItsOwnFirst(t *testing.T) {
	s := newStore(t, Config{Bytes: 100_000})
	quiet, loud := open(s), open(s)
	e, _ := add(s, "quiet", "1")
	quiet.Note(e)
	for range 1000 {
		e, _ := add(s, "loud", strings.Repeat("x", 100))
		loud.Note(e)
	}
	if got, err := quiet.Missed("", 1<<20); err != nil || texts(got) != "1" {
		t.Errorf("of the quiet room: %s, %v", texts(got), err)
	}
	if _, err := loud.Missed("", 1<<20); !errors.Is(err, ErrTrimmed) {
		t.Errorf("of the loud room: %v, want %v", err, ErrTrimmed)
	}
}

func FuzzOffset(f *testing.F) {
	f.Add("abcd0000000a")
	f.Add("abcdzzzzzzzz")
	f.Add("abcd-0000001")
	f.Fuzz(func(t *testing.T, text string) {
		seq, ok := parseOffset("abcd", text)
		if ok && seq > 0 && strings.ToLower(text) == text && string(appendOffset(nil, "abcd", seq)) != text && text[4] != '+' {
			t.Errorf("%q became %d", text, seq)
		}
	})
}
