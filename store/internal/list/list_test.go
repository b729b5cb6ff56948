package list

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestZeroListIsEmpty(t *testing.T) {
	var l List[*int]
	if l.Len() != 0 || l.First() != nil {
		t.Errorf("Len = %d, First = %v", l.Len(), l.First())
	}
	for v := range l.All() {
		t.Errorf("All yields %v", v)
	}
}

func TestAllStops(t *testing.T) {
	var l List[string]
	for _, v := range []string{"a", "b", "c"} {
		l.Push(&Item[string]{Value: v})
	}
	var got []string
	for v := range l.All() {
		if got = append(got, v); v == "b" {
			break
		}
	}
	if want := []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A list does what a slice does, whatever comes and goes.
func TestListIsLikeASlice(t *testing.T) {
	var l List[int]
	var model []int
	rng := rand.New(rand.NewPCG(1, 2))
	items := make([]Item[int], 8)
	for step := range 5000 {
		i := rng.IntN(len(items))
		it := &items[i]
		if at := slices.Index(model, i); at >= 0 {
			l.Remove(it)
			model = slices.Delete(model, at, at+1)
		} else {
			it.Value = i
			l.Push(it)
			model = append(model, i)
		}
		if got := slices.Collect(l.All()); !slices.Equal(got, model) || l.Len() != len(model) {
			t.Fatalf("step %d: %d values %v, want %v", step, l.Len(), got, model)
		}
		if len(model) > 0 && l.First() != model[0] {
			t.Fatalf("step %d: First = %d, want %d", step, l.First(), model[0])
		}
	}
}
