package redislink

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stateful runs a state in a bubble, and ends it.
func stateful(t *testing.T, f func(s *state, j *journal, lost *uint64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var lost uint64
		s := newState(j.log(), func() uint64 { return lost })
		go s.run(t.Context()) // the bubble waits for it
		f(s, &j, &lost)
		synctest.Wait()
	})
}

func TestStateTellsInOrder(t *testing.T) {
	stateful(t, func(s *state, _ *journal, _ *uint64) {
		var early, late []bool
		s.register(func(up bool) { early = append(early, up) })
		s.setWriter(false, errEnded) // away before it was ever there: nobody is told
		synctest.Wait()
		s.setWriter(true, nil)
		synctest.Wait()
		s.register(func(up bool) { late = append(late, up) })
		synctest.Wait()
		s.setWriter(false, errEnded)
		s.setWriter(true, nil)
		s.setWriter(true, nil)
		s.setWriter(false, errEnded)
		s.setWriter(false, errNoAnswer)
		synctest.Wait()
		want := "[true false true false]"
		if fmt.Sprint(early) != want || fmt.Sprint(late) != want {
			t.Errorf("told %v and, who came late, %v, want %s", early, late, want)
		}
		var last []bool
		s.register(func(up bool) { last = append(last, up) }) // while it is away
		synctest.Wait()
		s.setWriter(true, nil)
		synctest.Wait()
		if fmt.Sprint(last) != "[true]" {
			t.Errorf("who came while it was away is told %v, want [true]", last)
		}
	})
}

func TestStateNeedsEverySubscriber(t *testing.T) {
	stateful(t, func(s *state, _ *journal, _ *uint64) {
		a, b := &Subscriber{}, &Subscriber{}
		for i, step := range []struct {
			do   func()
			want bool
		}{
			{func() { s.setSubscriber(a, false, nil) }, false},
			{func() { s.setWriter(true, nil) }, false},
			{func() { s.setSubscriber(a, true, nil) }, true},
			{func() { s.setSubscriber(b, false, errEnded) }, false},
			{func() { s.setSubscriber(a, false, errEnded) }, false},
			{func() { s.setSubscriber(b, true, nil) }, false},
			{func() { s.setSubscriber(a, true, nil) }, true},
			{func() { s.setWriter(false, errEnded) }, false},
		} {
			if step.do(); s.isUp() != step.want {
				t.Errorf("after step %d up = %v, want %v", i, s.isUp(), step.want)
			}
		}
		if got := s.stats(); got.Downs != 2 || got.Reason != errEnded.Error() {
			t.Errorf("stats = %+v, want 2 downs", got)
		}
	})
}

func TestStateIsLoggedOncePerChange(t *testing.T) {
	stateful(t, func(s *state, j *journal, lost *uint64) {
		s.setWriter(true, nil)
		*lost = 5 // a full queue, say
		time.Sleep(time.Minute)
		for range 3 {
			s.setWriter(false, errEnded)
			s.setWriter(false, errNoAnswer)
		}
		*lost = 12
		time.Sleep(12 * time.Second)
		s.setWriter(true, nil)
		s.setWriter(false, errors.New("anew"))
		synctest.Wait()
		want := []string{
			`level=INFO msg="redis is there"`,
			`level=ERROR msg="redis away; messages reach clients of this node only" reason="the connection was closed"`,
			`level=WARN msg="redis is still away" reason="no answer in time"`,
			`level=INFO msg="redis is back" after=12s commands_lost=7`,
			`level=ERROR msg="redis away; messages reach clients of this node only" reason=anew`,
		}
		lines := strings.Split(strings.TrimSpace(j.String()), "\n")
		for i, line := range lines {
			if i >= len(want) || !strings.HasSuffix(line, want[i]) {
				t.Errorf("line %d of the log is %s", i, line)
			}
		}
		if len(lines) != len(want) {
			t.Errorf("%d lines in the log, want %d", len(lines), len(want))
		}
	})
}

// A function that takes its time does not make the changes pile up, and hears of the last one.
func TestStateLeavesOutChangesForSlowFunctions(t *testing.T) {
	stateful(t, func(s *state, _ *journal, _ *uint64) {
		gate, told := make(chan struct{}), []bool(nil)
		s.register(func(up bool) { <-gate; told = append(told, up) })
		for range 100 {
			s.setWriter(true, nil)
			s.setWriter(false, errEnded)
		}
		s.setWriter(true, nil)
		close(gate)
		synctest.Wait()
		if len(told) > maxPending+2 || !told[len(told)-1] {
			t.Errorf("told %v, want at most %d changes, the last one up", told, maxPending+2)
		}
		for i, up := range told {
			if up != (i%2 == 0) {
				t.Fatalf("told %v, want up and away in turn", told)
			}
		}
	})
}
