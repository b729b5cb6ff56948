package hub

import (
	"fmt"
	"slices"
	"testing"
)

// noted is a Watcher that notes what it hears.
type noted []string

func (n *noted) Shown(m *Member, rooms []Room) { n.note("shown", m, rooms) }
func (n *noted) Gone(m *Member, rooms []Room)  { n.note("gone", m, rooms) }
func (n *noted) Joined(m *Member, r Room, others []Room) {
	n.note("joined "+r.Name, m, others)
}
func (n *noted) Left(m *Member, r Room, others []Room) { n.note("left "+r.Name, m, others) }

func (n *noted) note(what string, m *Member, rooms []Room) {
	text := what + " " + m.ID()
	for _, r := range rooms {
		text += fmt.Sprint(" ", r.Name)
	}
	*n = append(*n, text)
}

func TestWatcher(t *testing.T) {
	h := New()
	w := new(noted)
	h.Watcher = w
	a, b := NewMember("a", nil), NewMember("b", nil)
	tea, den := Room{KindRoom, "tea"}, Room{KindRoom, "den"}
	h.Join(a, tea)
	h.Join(b, tea)
	h.Show(a)
	h.Show(a)
	h.Join(a, tea)
	h.Join(a, den)
	h.Leave(a, tea)
	h.Leave(a, tea)
	h.Remove(a)
	h.Remove(b)
	h.Show(b)
	h.Join(b, den)
	if want := []string{"shown a tea", "joined den a tea", "left tea a den", "gone a den"}; !slices.Equal(*w, want) {
		t.Errorf("heard %q, want %q", *w, want)
	}
}
