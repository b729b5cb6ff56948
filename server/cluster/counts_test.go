package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

type counted struct {
	n        int
	complete bool
	times    int
}

func (c *counted) call(n int, complete bool) { c.n, c.complete, c.times = n, complete, c.times+1 }

func newCounts(late *[]string) *counts {
	return &counts{open: make(map[uint64]*count), late: func(node string) { *late = append(*late, node) }}
}

func TestCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		nodes    []string
		foreign  bool
		complete bool
		do       func(cs *counts, id uint64)
		want     counted
	}{
		"all answer": {[]string{"x", "y"}, false, true, func(cs *counts, id uint64) {
			cs.answer(id, "x", 2)
			cs.answer(id, "y", 3)
			cs.answer(id, "y", 3)
		}, counted{5, true, 1}},
		"nodes and servers of other kinds": {[]string{"x"}, true, true, func(cs *counts, id uint64) {
			cs.foreign(id, 4, true)
			cs.answer(id, "x", 1)
		}, counted{5, true, 1}},
		"others do not tell": {[]string{"x"}, true, true, func(cs *counts, id uint64) {
			cs.answer(id, "x", 1)
			cs.foreign(id, 0, false)
		}, counted{1, false, 1}},
		"a node goes": {[]string{"x", "y"}, false, true, func(cs *counts, id uint64) {
			cs.answer(id, "x", 1)
			cs.gone("y")
		}, counted{1, false, 1}},
		"somebody not waited for answers too": {[]string{"x"}, false, false, func(cs *counts, id uint64) {
			cs.answer(id, "z", 7)
			cs.answer(id, "x", 1)
		}, counted{8, false, 1}},
		"Redis goes": {[]string{"x", "y"}, false, true, func(cs *counts, id uint64) {
			cs.answer(id, "x", 1)
			cs.abandon()
		}, counted{1, false, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var late []string
				cs, got := newCounts(&late), new(counted)
				tc.do(cs, cs.add(tc.nodes, tc.foreign, tc.complete, got.call))
				time.Sleep(2 * countTimeout)
				if *got != tc.want || len(late) > 0 || len(cs.open) > 0 {
					t.Errorf("counted = %+v, late %v, %d open; want %+v", *got, late, len(cs.open), tc.want)
				}
			})
		})
	}
}

func TestCountGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late []string
		cs, got := newCounts(&late), new(counted)
		id := cs.add([]string{"x", "y"}, false, true, got.call)
		cs.answer(id, "x", 2)
		time.Sleep(countTimeout)
		synctest.Wait()
		if want := (counted{2, false, 1}); *got != want || len(late) != 1 || late[0] != "y" {
			t.Errorf("counted = %+v, late %v, want %+v and y", *got, late, want)
		}
	})
}
