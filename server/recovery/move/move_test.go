package move

import (
	"context"
	"testing"

	"signalbox/server/hub"
	"signalbox/server/recovery"
)

// street is two nodes that reach each other at once.
type street struct {
	hub.Nodes
	name   string
	other  *street
	asks   map[string]func(context.Context, []byte) []byte
	tells  map[string]func([]byte)
	marked func(channel, mark string)
	silent bool // it answers nothing
}

func newStreet(name string) *street {
	return &street{name: name, asks: make(map[string]func(context.Context, []byte) []byte), tells: make(map[string]func([]byte))}
}

func (s *street) ID() string  { return s.name }
func (s *street) UID() string { return s.name }
func (s *street) OnAsk(topic string, call func(context.Context, []byte) []byte) {
	s.asks[topic] = call
}
func (s *street) OnTell(topic string, call func([]byte)) { s.tells[topic] = call }
func (s *street) TellNode(_, topic string, body []byte)  { s.other.tells[topic](body) }
func (s *street) AskNode(ctx context.Context, _, topic string, body []byte) ([]byte, error) {
	if s.other.silent && topic == topicTake {
		return nil, ErrNodes
	}
	return s.other.asks[topic](ctx, body), nil
}
func (s *street) MarkChannels(string, []hub.Room) []string { return []string{"channel"} }
func (s *street) OnMark(call func(channel, mark string))   { s.marked = call }
func (s *street) ExpectMarks(int)                          {}
func (s *street) Mark(_ string, channels []string, mark string) bool {
	for _, c := range channels {
		s.marked(c, mark)
		s.other.marked(c, mark)
	}
	return true
}

// resident is a client at the old node.
type resident struct {
	back   bool // it has come back there
	missed error
	moved  bool
}

func (r *resident) Pack(string, *Passage) (Parcel, bool) { return Parcel{ID: "id"}, true }
func (r *resident) Unpack(*Passage)                      {}
func (r *resident) Depart(*Passage) bool                 { return !r.back }
func (r *resident) Moved(*Passage)                       { r.moved = true }
func (r *resident) Missed(string) ([]recovery.Missed, []hub.Room, error) {
	return nil, nil, r.missed
}

// newcomer is the client at the new node.
type newcomer struct {
	gone   bool
	became string
}

func (n *newcomer) Land([]recovery.Missed, []hub.Room, []hub.Room) error {
	n.became = "here"
	return nil
}
func (n *newcomer) Gone() bool { return n.gone }
func (n *newcomer) Abandon(still bool) {
	if n.became = "ended"; still {
		n.became = "elsewhere"
	}
}

// TestWhoTellsTheEnd: whatever goes wrong on the way, a session that goes on at its old node has ended nowhere.
func TestWhoTellsTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		resident resident
		newcomer newcomer
		silent   bool // the old node, once it has been asked for
		became   string
		moved    bool
	}{
		"it comes":                           {became: "here", moved: true},
		"it is back at the old node":         {resident: resident{back: true}, became: "elsewhere"},
		"what it missed is not there":        {resident: resident{missed: recovery.ErrTrimmed}, became: "ended", moved: true},
		"the old node is silent":             {silent: true, became: "ended"},
		"the old node is silent, it is gone": {silent: true, newcomer: newcomer{gone: true}, became: "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newStreet("aaaa"), newStreet("bbbb")
			a.other, b.other = b, a
			store := recovery.New(recovery.Config{Node: "aaaa", Bytes: 1 << 20})
			defer store.Close()
			New(a, hub.New(), store)
			here := recovery.New(recovery.Config{Node: "bbbb", Bytes: 1 << 20})
			defer here.Close()
			m := New(b, hub.New(), here)
			var session recovery.Session
			store.Open(&session, &c.resident)
			err := m.Fetch(session.PID(), "", "door", func(Parcel, *Passage) (Newcomer, error) {
				a.silent = c.silent
				return &c.newcomer, nil
			})
			if c.newcomer.became != c.became || c.resident.moved != c.moved || (err == nil) != (c.became == "here") {
				t.Errorf("it is %s, moved %v, %v; want %s, %v", c.newcomer.became, c.resident.moved, err, c.became, c.moved)
			}
		})
	}
}
