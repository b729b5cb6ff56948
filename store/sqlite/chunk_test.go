package sqlite

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"signalbox/store/internal/recent"
)

// chunk returns the messages as they are written.
func chunk(entries ...recent.Entry) []byte {
	return appendChunk(nil, len(entries), func(i int) *recent.Entry { return &entries[i] })
}

func TestChunk(t *testing.T) {
	const id = "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11"
	var many []recent.Entry
	for n := range maxChunkMessages {
		many = append(many, recent.Entry{ID: fmt.Sprint(n), JSON: fmt.Sprintf(`{"id":"%d"}`, n), Milli: 1772366400123 + int64(n)})
	}
	for name, entries := range map[string][]recent.Entry{
		"no message":              {},
		"an empty message":        {{}},
		"an id inside the JSON":   {{ID: id, JSON: `{"id":"` + id + `"}`, Milli: 1}},
		"an id at the end":        {{ID: id, JSON: id, Milli: 1}},
		"an id beside the JSON":   {{ID: id, JSON: `{}`, Milli: 1}},
		"an id without JSON":      {{ID: id}},
		"JSON without an id":      {{JSON: `{}`}},
		"time that goes back":     {{Milli: math.MaxInt64}, {Milli: math.MinInt64}, {Milli: 5}},
		"many messages":           many,
		"bytes that are no UTF-8": {{ID: "\xff\x00", JSON: "\x00\xfe"}},
		"a long message":          {{ID: id, JSON: strings.Repeat("x", 1<<20) + id}},
	} {
		body := chunk(entries...)
		got, err := decodeChunk(body)
		if err != nil || !slices.Equal(got, entries) {
			t.Errorf("%s: decodeChunk = %.200v, %v, want %.200v", name, got, err, entries)
		}
		for n := range min(len(body), 100) { // cut off anywhere, it is damaged
			if _, err := decodeChunk(body[:n]); err == nil {
				t.Errorf("%s: decodeChunk of the first %d of %d bytes has no error", name, n, len(body))
			}
		}
		if _, err := decodeChunk(append(body, 0)); err == nil {
			t.Errorf("%s: decodeChunk with a byte too many has no error", name)
		}
	}
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add([]byte{})
	f.Add(chunk())
	f.Add(chunk(recent.Entry{ID: "a", JSON: `{"id":"a"}`, Milli: 5}, recent.Entry{ID: "b", JSON: "{}", Milli: 3}))
	f.Add([]byte{chunkFormat, 1, 4, 0, 0, 0, 2})
	f.Add([]byte{chunkFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, err := decodeChunk(body)
		if err != nil {
			return
		}
		again, err := decodeChunk(chunk(entries...))
		if err != nil || !slices.Equal(again, entries) {
			t.Errorf("decoded %v, encoded and decoded again %v, %v", entries, again, err)
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	entries := make([]recent.Entry, 64)
	for i := range entries {
		id := fmt.Sprintf("6f1c9c5e-8d0e-4b6e-9d53-%012d", i)
		entries[i] = recent.Entry{ID: id, JSON: `{"id":"` + id + `","content":"` + strings.Repeat("x", 220) + `"}`, Milli: 1772366400123}
	}
	body := chunk(entries...)
	b.Run("append", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			body = appendChunk(body[:0], len(entries), func(i int) *recent.Entry { return &entries[i] })
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeChunk(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
