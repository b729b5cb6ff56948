package recovery

import (
	"encoding/json"
	"testing"
)

// A session goes over two nodes: at each the offsets of those before are known.
func TestLandingOfASession(t *testing.T) {
	a, b, c := newStore(t, Config{}), newStore(t, Config{}), newStore(t, Config{})
	first := open(a)
	offsets := map[string]string{}
	send := func(s *Store, to *Session, text string) {
		e, offset := add(s, "r", text)
		to.Note(e)
		offsets[text] = offset
	}
	move := func(from *Session, to *Store, offset string) *Session {
		t.Helper()
		missed, err := from.Carry(offset, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(missed)
		missed = nil
		if err := json.Unmarshal(b, &missed); err != nil {
			t.Fatal(err)
		}
		session := new(Session)
		to.OpenAs(session, nil, from.PID())
		session.Land(offset, missed)
		from.Moved()
		return session
	}
	want := func(s *Session, after, want string) {
		t.Helper()
		missed, err := s.Missed(offsets[after], 1<<20)
		if got := texts(missed); err != nil || got != want {
			t.Errorf("behind %q: %q, %v; want %q", after, got, err, want)
		}
	}
	for _, text := range []string{"1", "2", "3", "4"} {
		send(a, first, text)
	}
	second := move(first, b, offsets["1"])
	send(b, second, "5")
	for after, missed := range map[string]string{"1": "2 3 4 5", "3": "4 5", "4": "5", "5": ""} {
		want(second, after, missed)
	}
	third := move(second, c, offsets["3"])
	send(c, third, "6")
	for after, missed := range map[string]string{"3": "4 5 6", "4": "5 6", "5": "6", "6": ""} {
		want(third, after, missed)
	}
	if n := a.Stats().Ended[string(EndedMoved)]; n != 1 || a.Find(first.PID()) != nil {
		t.Errorf("%d sessions have moved, want one that is not here any more", n)
	}
}
