package tap

import (
	"fmt"
	"slices"
	"testing"
)

func FuzzTapID(f *testing.F) {
	for _, seed := range []string{"1-1", "mg.a2-5,mg.b3-7", "", ",", "1-1,", "-", "zzzzzzzzzzzzzz-1", "1.A-1"} {
		f.Add(seed)
	}
	b := newBuffer(false)
	for i := range 5 {
		b.add(b.next(), fmt.Appendf(nil, `{"connectionId":1,"n":%d}`, i))
	}
	f.Fuzz(func(t *testing.T, id string) {
		b.missed(id)
		places := parsePlaces(id)
		var text []byte
		for i, p := range places {
			if i > 0 {
				text = append(text, ',')
			}
			text = appendPlace(text, p)
		}
		if again := parsePlaces(string(text)); !slices.Equal(again, places) {
			t.Fatalf("%q is read as %v, and again as %v", id, places, again)
		}
	})
}
