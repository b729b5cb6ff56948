package rooms

import (
	"fmt"
	"testing"
	"time"

	"signalbox/server/app"
)

func TestSeenIsForgotten(t *testing.T) {
	now := time.Now()
	set := func(names ...string) map[string]struct{} {
		m := make(map[string]struct{})
		for _, n := range names {
			m[n] = struct{}{}
		}
		return m
	}
	var s seen
	if s.skip(now) != nil {
		t.Error("somebody who has seen nothing skips")
	}
	first := set("a")
	s.add(now, first)
	s.add(now.Add(time.Second), set("b"))
	skip := s.skip(now.Add(time.Second))
	if !skip("a") || !skip("b") || skip("c") {
		t.Error("two rooms: what was seen is not known")
	}
	if len(first) != 1 {
		t.Error("a set was changed that somebody may be reading")
	}
	s.add(now.Add(2*time.Second), nil)
	if s.skip(now.Add(time.Second+app.DeferGrace)) != nil || s.ids != nil {
		t.Error("what was seen is not forgotten")
	}
	s.add(now.Add(time.Minute), set("c"))
	if skip := s.skip(now.Add(time.Minute)); skip("a") || !skip("c") {
		t.Error("what is long ago came back")
	}
	many := make(map[string]struct{})
	for i := range maxSeen {
		many[fmt.Sprint(i)] = struct{}{}
	}
	s.add(now.Add(time.Minute), many)
	if len(s.ids) != maxSeen {
		t.Errorf("%d ids are kept, want at most %d", len(s.ids), maxSeen)
	}
}
