package measure

import (
	"testing"

	"signalbox/cmd/signalbox-bench/client"
)

func TestInboxCounts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		seqs []int64
		sent int64
		want Counts
	}{
		"in order":            {[]int64{1, 2, 3}, 3, Counts{Expected: 3, Delivered: 3}},
		"nothing came":        {nil, 3, Counts{Expected: 3, Lost: 3}},
		"nothing sent":        {nil, 0, Counts{}},
		"gap":                 {[]int64{1, 3}, 3, Counts{Expected: 3, Delivered: 2, Lost: 1}},
		"tail missing":        {[]int64{1, 2}, 5, Counts{Expected: 5, Delivered: 2, Lost: 3}},
		"doubled":             {[]int64{1, 2, 2, 2, 3}, 3, Counts{Expected: 3, Delivered: 3, Doubled: 2}},
		"swapped":             {[]int64{2, 1, 3}, 3, Counts{Expected: 3, Delivered: 3, Reordered: 1}},
		"one very late":       {[]int64{2, 3, 4, 1}, 4, Counts{Expected: 4, Delivered: 4, Reordered: 1}},
		"one much too early":  {[]int64{4, 1, 2, 3}, 4, Counts{Expected: 4, Delivered: 4, Reordered: 3}},
		"late double":         {[]int64{1, 2, 3, 1}, 3, Counts{Expected: 3, Delivered: 3, Doubled: 1}},
		"numbers never sent":  {[]int64{0, 1, -1, 101, 1 << 60}, 1, Counts{Expected: 1, Delivered: 1, Stray: 4}},
		"highest that may be": {[]int64{100}, 1, Counts{Expected: 1, Delivered: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := NewInbox(7, 100)
			for _, seq := range tt.seqs {
				in.Record(client.Stamp{Sender: 7, Seq: seq, Intact: true})
			}
			if got := in.Counts(tt.sent); got != tt.want {
				t.Errorf("counts = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestInboxTakesOnlyItsSender(t *testing.T) {
	t.Parallel()
	in := NewInbox(7, 100)
	if in.Record(client.Stamp{Sender: 8, Seq: 1, Intact: true}) || in.Record(client.Stamp{Sender: 7, Seq: 1}) {
		t.Error("a message of another sender, or a changed one, was taken")
	}
	if got, want := in.Counts(1), (Counts{Expected: 1, Lost: 1, Stray: 1, Corrupt: 1}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
}
