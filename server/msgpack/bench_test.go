package msgpack

import (
	"strings"
	"testing"
)

// BenchmarkPack writes JSON as clients get it.
func BenchmarkPack(b *testing.B) {
	item := `{"id":12345,"price":17.25,"name":"an item of a list","tags":["a","b"],"sold":false}`
	value := []byte("[" + strings.Repeat(item+",", 48) + item + "]")
	dst := make([]byte, 0, len(value))
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		p := NewPacker(dst, nil)
		p.Doubles = true
		if err := p.Value(value); err != nil {
			b.Fatal(err)
		}
	}
}
