package cluster

import (
	"testing"
	"time"

	"signalbox/server/hub"
)

func newMembers() *members {
	m := new(members)
	m.init()
	return m
}

func bitsOf(rooms ...hub.Room) *bitmap {
	b := new(bitmap)
	for _, r := range rooms {
		b.set(slotOf(r))
	}
	return b
}

func (m *members) wanted(r hub.Room) int { return int(m.wants[slotOf(r)].Load()) }

func TestMembersLearnAndForget(t *testing.T) {
	m, now := newMembers(), time.Now()
	m.learn("x", 3, bitsOf(room("a"), room("b")), now)
	m.learn("y", 1, bitsOf(room("b")), now)
	if a, b := m.wanted(room("a")), m.wanted(room("b")); a != 1 || b != 2 {
		t.Errorf("a is wanted by %d, b by %d, want 1 and 2", a, b)
	}
	m.learn("x", 4, bitsOf(room("c")), now)
	if a, c := m.wanted(room("a")), m.wanted(room("c")); a != 0 || c != 1 {
		t.Errorf("after a new state a is wanted by %d, c by %d, want 0 and 1", a, c)
	}
	m.learn("x", 2, bitsOf(room("a")), now) // late
	if m.wanted(room("a")) != 0 {
		t.Error("an old state was taken")
	}
	m.forgetAll()
	for slot := range m.wants {
		if n := m.wants[slot].Load(); n != 0 {
			t.Fatalf("slot %d is wanted by %d nodes after all have gone", slot, n)
		}
	}
	if m.known.Load() != 0 {
		t.Errorf("%d nodes are known after all have gone", m.known.Load())
	}
}

func TestMembersChanges(t *testing.T) {
	m, now := newMembers(), time.Now()
	a := []uint16{slotOf(room("a"))}
	if m.change("x", 1, a, nil, now) {
		t.Error("a change of a node that has told nothing was taken")
	}
	m.learn("x", 1, bitsOf(), now)
	if !m.change("x", 2, a, nil, now) || m.wanted(room("a")) != 1 {
		t.Error("a change was not taken")
	}
	if !m.change("x", 2, a, nil, now) || m.wanted(room("a")) != 1 {
		t.Error("the same change counts twice")
	}
	if m.change("x", 4, nil, a, now) {
		t.Error("a change was taken although one before it is missing")
	}
	if !m.change("x", 3, nil, a, now) || m.wanted(room("a")) != 0 {
		t.Error("a slot was not taken back")
	}
	if !m.hear("x", 3, now) || m.hear("x", 4, now) || m.hear("z", 0, now) {
		t.Error("hear does not know who is up to date")
	}
	if !m.hear("x", 2, now) || m.hear("x", 2, now) || m.wanted(room("a")) != 0 || m.known.Load() != 0 {
		t.Error("a node that has twice told less than is known of it is still taken to be known")
	}
	if m.learn("x", 2, bitsOf(room("a")), now); m.wanted(room("a")) != 1 {
		t.Error("what the node says of itself is not taken")
	}
}

func TestMembersAge(t *testing.T) {
	m, start := newMembers(), time.Now()
	m.learn("x", 1, bitsOf(room("a")), start)
	if got := m.there(); len(got) != 1 {
		t.Errorf("there = %v, want x", got)
	}
	silent, forgotten := m.age(start.Add(suspectAfter))
	if len(silent) != 1 || len(forgotten) != 0 || len(m.there()) != 0 {
		t.Errorf("after %v: silent %v, forgotten %v, there %v", suspectAfter, silent, forgotten, m.there())
	}
	if nodes, all := m.interested([]uint16{slotOf(room("a"))}); len(nodes) != 0 || all {
		t.Errorf("interested = %v, %v, want nobody to wait for, and not all", nodes, all)
	}
	if m.wanted(room("a")) != 1 {
		t.Error("messages are not sent to a suspect any more")
	}
	m.hear("x", 1, start.Add(suspectAfter+1))
	if len(m.there()) != 1 {
		t.Error("a node that was heard of is still silent")
	}
	_, forgotten = m.age(start.Add(suspectAfter + 1 + forgetAfter))
	if len(forgotten) != 1 || m.wanted(room("a")) != 0 {
		t.Errorf("forgotten = %v, a is wanted by %d", forgotten, m.wanted(room("a")))
	}
}
