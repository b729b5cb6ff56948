package hooks

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(quiet)
		bad, refused := &failure{breaks: true}, &failure{status: 404}
		for range 100 {
			b.allow()
			b.report(refused) // a 4xx is an answer
		}
		for i := range breakAfter {
			if !b.allow() {
				t.Fatalf("closed to request %d", i)
			}
			b.report(bad)
		}
		if b.allow() {
			t.Fatal("open to requests after failures")
		}
		time.Sleep(500 * time.Millisecond)
		if !b.allow() || b.allow() {
			t.Fatal("want one try after the pause, and no second one beside it")
		}
		b.report(bad)
		if b.allow() {
			t.Fatal("a failed try does not make the pause longer")
		}
		time.Sleep(4 * time.Second)
		if !b.allow() {
			t.Fatal("no try after the longest pause")
		}
		b.report(nil)
		if open, times := b.isOpen(); open || times != 1 || !b.allow() || !b.allow() {
			t.Errorf("open %v, opened %d times after an answer; want closed, once", open, times)
		}
	})
}
