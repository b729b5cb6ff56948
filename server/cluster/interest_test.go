package cluster

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/hub"
)

// told is what an interest has told the other nodes.
type told struct {
	mu      sync.Mutex
	changes []string
	bits    bitmap
	seq     uint64
}

func newInterest(t *testing.T, nodes ...string) (*interest, *told, *[]string) {
	w := new(told)
	slow := new([]string)
	i := &interest{
		nodes: func() []string { return nodes },
		slow: func(node string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			*slow = append(*slow, node)
		},
	}
	i.tell = func(seq uint64, added, removed []uint16) {
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
	}
	return i, w, slow
}

func room(name string) hub.Room { return hub.Room{Kind: hub.KindUser, Name: name} }

func (w *told) has(r hub.Room) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bits.has(slotOf(r))
}

func TestWantAloneDoesNotWait(t *testing.T) {
	i, w, _ := newInterest(t)
	i.want(room("a"))
	if !w.has(room("a")) {
		t.Error("the room was not told")
	}
}

func TestWantWaitsForEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w, slow := newInterest(t, "x", "y")
		joined := make(chan struct{})
		go func() { i.want(room("a")); close(joined) }()
		synctest.Wait()
		if !w.has(room("a")) {
			t.Fatal("nobody was told")
		}
		i.confirmed("x", 1)
		synctest.Wait()
		select {
		case <-joined:
			t.Fatal("joined before y knows")
		default:
		}
		i.confirmed("y", 1)
		<-joined
		i.want(room("a")) // at once
		if len(*slow) > 0 {
			t.Errorf("slow nodes: %v", *slow)
		}
	})
}

func TestWantGivesUpOnSlowNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w, slow := newInterest(t, "x", "y")
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { i.want(room("a")) })
		synctest.Wait()
		wg.Go(func() { i.want(room("b")) }) // goes out with the next batch
		synctest.Wait()
		i.confirmed("x", 1)
		wg.Wait()
		if took := time.Since(start); took != 2*ackPatience {
			t.Errorf("joined after %v, want %v", took, 2*ackPatience)
		}
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		slices.Sort(*slow)
		if want := []string{"x", "y", "y"}; !slices.Equal(*slow, want) {
			t.Errorf("slow = %v, want %v", *slow, want)
		}
	})
}

// Joins that come while others are being told share the next change.
func TestWantsAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w, _ := newInterest(t, "x")
		var wg sync.WaitGroup
		wg.Go(func() { i.want(room("first")) })
		synctest.Wait()
		for n := range 100 {
			wg.Go(func() { i.want(room(string(rune('a' + n)))) })
		}
		synctest.Wait()
		i.confirmed("x", 1)
		synctest.Wait()
		i.confirmed("x", 2)
		wg.Wait()
		if w.seq != 2 {
			t.Errorf("%d changes were told, want 2", w.seq)
		}
	})
}

func TestSweepTakesBackWhatNobodyUses(t *testing.T) {
	i, w, _ := newInterest(t)
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
	i.want(room("a"))
	if !w.has(room("a")) {
		t.Error("a is wanted again, and nobody was told")
	}
}

// Whoever has joined is always in a slot that was told, whatever the sweep does meanwhile.
func TestSweepAgainstJoins(t *testing.T) {
	i, w, _ := newInterest(t)
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
	i, w, _ := newInterest(t, "x")
	i.expect(room("a"))
	i.want(room("a"))
	if !w.has(room("a")) {
		t.Error("nobody was told")
	}
	i.abandon()
}

func TestAbandonEndsEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _, _ := newInterest(t, "x")
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
