package cluster

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/hub"
)

// told is what an interest has told the other nodes.
type told struct {
	mu   sync.Mutex
	bits bitmap
	seq  uint64
	away bool // it cannot be told
}

func newInterest(t *testing.T, nodes ...string) (*interest, *told) {
	w := new(told)
	i := &interest{nodes: func() []string { return nodes }, alone: func() bool { return len(nodes) == 0 }}
	i.tell = func(seq uint64, added, removed []uint16) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if seq != w.seq+1 {
			t.Errorf("change %d follows on %d", seq, w.seq)
		}
		w.seq = seq
		for _, slot := range added {
			w.bits.set(slot)
		}
		for _, slot := range removed {
			w.bits.clear(slot)
		}
		return !w.away
	}
	return i, w
}

func room(name string) hub.Room { return hub.Room{Kind: hub.KindUser, Name: name} }

func (w *told) has(r hub.Room) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bits.has(slotOf(r))
}

// wants has somebody want rooms, and returns what is closed when they need not wait any longer.
func (i *interest) wants(rooms ...hub.Room) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		for _, r := range rooms {
			i.want(r)
		}
		close(done)
	}()
	synctest.Wait()
	return done
}

func waits(t *testing.T, joined <-chan struct{}, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case <-joined:
		t.Fatal("joined before " + what)
	default:
	}
}

func TestWantAloneDoesNotWait(t *testing.T) {
	i, w := newInterest(t)
	i.want(room("a"))
	if !w.has(room("a")) {
		t.Error("the room was not told")
	}
}

func TestWantDoesNotWaitWhereNobodyCanBeTold(t *testing.T) {
	i, w := newInterest(t, "x")
	w.away = true
	i.want(room("a"))
}

func TestWantWaitsForRedisAndEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w := newInterest(t, "x", "y")
		joined := i.wants(room("a"))
		if !w.has(room("a")) {
			t.Fatal("nobody was told")
		}
		i.confirmed("x", 1) // may come first
		waits(t, joined, "redis has brought it back")
		i.echoed(1)
		waits(t, joined, "y knows")
		i.confirmed("y", 1)
		<-joined
		i.want(room("a")) // at once
	})
}

// Whoever was silent and is heard of while the announcement is on its way is waited for.
func TestWantWaitsForWhoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newInterest(t, "x")
		var nodes []string
		i.nodes = func() []string { return nodes }
		joined := i.wants(room("a"))
		nodes = []string{"x"}
		i.echoed(1)
		waits(t, joined, "x knows")
		i.confirmed("x", 1)
		<-joined
	})
}

func TestWantGivesUpOnSlowNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newInterest(t, "x", "y")
		start := time.Now()
		joined := i.wants(room("a"))
		i.echoed(1)
		i.confirmed("x", 1)
		<-joined
		if took := time.Since(start); took != ackPatience {
			t.Errorf("joined after %v, want %v", took, ackPatience)
		}
		if ackPatience <= knowledgeLife {
			t.Errorf("a join waits for %v, and others go by what is up to %v old", ackPatience, knowledgeLife)
		}
	})
}

func TestWantGivesUpOnRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newInterest(t, "x")
		start := time.Now()
		<-i.wants(room("a"))
		if took := time.Since(start); took != echoPatience {
			t.Errorf("joined after %v, want %v", took, echoPatience)
		}
		i.echoed(1) // too late for anything
	})
}

// A node that goes is not waited for any more.
func TestWantDoesNotWaitForTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newInterest(t, "x", "y")
		start := time.Now()
		joined := i.wants(room("a"))
		i.echoed(1)
		i.confirmed("x", 1)
		i.gone("y")
		<-joined
		if took := time.Since(start); took != 0 {
			t.Errorf("joined after %v, want at once", took)
		}
	})
}

// Joins that come while others are being told share the next change.
func TestWantsAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w := newInterest(t, "x")
		var wg sync.WaitGroup
		wg.Go(func() { i.want(room("first")) })
		synctest.Wait()
		for n := range 100 {
			wg.Go(func() { i.want(room(string(rune('a' + n)))) })
		}
		synctest.Wait()
		for seq := range uint64(2) {
			i.echoed(seq + 1)
			i.confirmed("x", seq+1)
			synctest.Wait()
		}
		wg.Wait()
		if w.seq != 2 {
			t.Errorf("%d changes were told, want 2", w.seq)
		}
	})
}

func TestSweepTakesBackWhatNobodyUses(t *testing.T) {
	i, w := newInterest(t)
	i.want(room("a"))
	i.want(room("b"))
	i.unwant(room("a"))
	i.sweep()
	if !w.has(room("a")) {
		t.Error("taken back at the first look")
	}
	i.sweep()
	if w.has(room("a")) || !w.has(room("b")) {
		t.Error("after the second look: want a taken back and b not")
	}
	if !i.has(slotOf(room("a"))) {
		t.Error("who has not heard yet may still send, and count on an answer")
	}
	i.sweep()
	if i.has(slotOf(room("a"))) || !i.has(slotOf(room("b"))) {
		t.Error("after the third look: want a not heeded any more, and b still")
	}
	i.want(room("a"))
	if !w.has(room("a")) {
		t.Error("a is wanted again, and nobody was told")
	}
}

// Whoever has joined is always in a slot that was told, whatever the sweep does meanwhile.
func TestSweepAgainstJoins(t *testing.T) {
	i, w := newInterest(t)
	stop := make(chan struct{})
	var sweeping, joining sync.WaitGroup
	sweeping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				i.sweep()
			}
		}
	})
	for n := range 4 {
		joining.Go(func() {
			r := room(string(rune('a' + n%2)))
			for range 5000 {
				i.want(r)
				if !w.has(r) {
					t.Error("joined a room that nobody was told of")
				}
				i.unwant(r)
			}
		})
	}
	joining.Wait()
	close(stop)
	sweeping.Wait()
}

func TestExpectDoesNotWait(t *testing.T) {
	i, w := newInterest(t, "x")
	i.expect(room("a"))
	i.want(room("a"))
	if !w.has(room("a")) {
		t.Error("nobody was told")
	}
	i.abandon()
}

func TestAbandonEndsEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newInterest(t, "x")
		var wg sync.WaitGroup
		start := time.Now()
		for n := range 3 {
			wg.Go(func() { i.want(room(string(rune('a' + n)))) })
			synctest.Wait()
		}
		i.abandon()
		wg.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("joined after %v, want at once", took)
		}
	})
}
