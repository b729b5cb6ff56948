package conn

import (
	"testing"
)

func TestFlusherKnowsHowManyWait(t *testing.T) {
	f := newFlusher()
	links := []*Conn{new(Conn), new(Conn), new(Conn)}
	for i, l := range links {
		if got := f.waiting(); got != i {
			t.Errorf("waiting() = %d, want %d", got, i)
		}
		f.push(l)
	}
	n := 0
	for l := f.take(); l != nil; l = l.nextDirty {
		if l != links[n] {
			t.Errorf("link %d is not the one that was pushed then", n)
		}
		n++
	}
	if n != len(links) || f.waiting() != 0 {
		t.Errorf("took %d links, %d still wait; want %d and none", n, f.waiting(), len(links))
	}
}
