package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/store"
)

// TestHistory holds an implementation against the contract of [store.History]. open returns an empty history with the
// given limits (zero fields: its defaults); it is called once for each case and cleans up through t.
func TestHistory(t *testing.T, open func(t *testing.T, limits store.HistoryLimits) store.History) {
	cases := map[string]struct {
		limits store.HistoryLimits
		run    func(t *testing.T, h store.History)
	}{
		"an empty history has no messages":               {run: emptyHistory},
		"the last messages come oldest first":            {run: lastMessages},
		"what was appended comes back byte for byte":     {run: byteForByte},
		"rooms are apart whatever their names":           {run: roomsAreApart},
		"pages go back to the first message":             {run: pagesBack},
		"a time is a place to read from":                 {run: beforeTime},
		"an unknown message is no place to read from":    {run: unknownMessage},
		"a room keeps its newest messages only":          {store.HistoryLimits{RoomMessages: 10}, roomMessagesBound},
		"a room keeps its bytes only":                    {store.HistoryLimits{RoomBytes: 16 << 10}, roomBytesBound},
		"a message over the bound of a room is refused":  {store.HistoryLimits{RoomBytes: 16 << 10}, tooLarge},
		"rooms that waited longest for a message go":     {store.HistoryLimits{Messages: 64, RoomMessages: 8}, roomsGo},
		"a context that has ended ends a read":           {run: endedContext},
		"a closed history says so":                       {run: closedHistory},
		"the slice is the caller's own":                  {run: sliceIsACopy},
		"many append and read at once and nothing lacks": {store.HistoryLimits{RoomMessages: 250}, concurrentHistory},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { c.run(t, open(t, c.limits)) })
	}
}

// start is when the first message of a case was sent; message n follows after n seconds.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)

func message(n int) store.Message {
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	sent := start.Add(time.Duration(n) * time.Second)
	return store.Message{
		ID:   id,
		Time: sent,
		JSON: fmt.Sprintf(`{"id":"%s","content":%d,"timestamp":"%s"}`, id, n, sent.Format("2006-01-02T15:04:05.000Z")),
	}
}

func fill(t *testing.T, h store.History, room string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := h.Append(room, message(n)); err != nil {
			t.Fatalf("Append(%q, message %d): %v", room, n, err)
		}
	}
}

// wantMessages checks that got is messages from up to, and without, to.
func wantMessages(t *testing.T, what string, got []store.Message, err error, from, to int) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(got) != to-from {
		t.Fatalf("%s returned %d messages, want %d", what, len(got), to-from)
	}
	for i, m := range got {
		if want := message(from + i); m != want {
			t.Fatalf("%s: message %d of %d is %v, want %v", what, i, len(got), m, want)
		}
	}
}

func emptyHistory(t *testing.T, h store.History) {
	got, err := h.Last(t.Context(), "r", 50)
	wantMessages(t, "Last", got, err, 0, 0)
	got, err = h.Before(t.Context(), "r", store.Cursor{Time: start}, 50)
	wantMessages(t, "Before a time", got, err, 0, 0)
	if _, err := h.Before(t.Context(), "r", store.Cursor{ID: "x"}, 50); !errors.Is(err, store.ErrUnknownMessage) {
		t.Errorf("Before a message = %v, want ErrUnknownMessage", err)
	}
	fill(t, h, "r", 0, 1)
	got, err = h.Last(t.Context(), "r", 50)
	wantMessages(t, "Last after the first message", got, err, 0, 1)
}

func lastMessages(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 300)
	for _, n := range []int{-1, 0, 1, 50, 299, 300, 301, 1 << 40} {
		got, err := h.Last(t.Context(), "r", n)
		wantMessages(t, fmt.Sprintf("Last(%d)", n), got, err, 300-max(0, min(n, 300)), 300)
	}
}

func byteForByte(t *testing.T, h store.History) {
	texts := []string{
		`{"content": {"b":1,"a":1.0,"c":1e400} }`,
		"{\n\t\"content\" :\r\n \"line\" }",
		`{"content":"\u0041\/\ud83d\ude00 ü €"}`,
		"{\"content\":\"not utf-8: \xff\xfe\"}",
		"\x00", "",
		`{"content":"` + strings.Repeat("long ", 50_000) + `"}`,
	}
	for i, text := range texts {
		m := message(i)
		m.JSON = text
		if err := h.Append("r", m); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.Last(t.Context(), "r", 50)
	if err != nil || len(got) != len(texts) {
		t.Fatalf("Last = %d messages, %v, want %d", len(got), err, len(texts))
	}
	for i, text := range texts {
		if got[i].JSON != text {
			t.Errorf("message %d came back as %.60q, want %.60q", i, got[i].JSON, text)
		}
	}
}

func roomsAreApart(t *testing.T, h store.History) {
	rooms := []string{"", "a", "A", "a ", "a\x00", "a\x00b", "%", "ä", "a\u0308", "' or 1=1 --", "42", "42.0", "\xff",
		strings.Repeat("x", 10_000)}
	for i, room := range rooms {
		fill(t, h, room, 100*i, 100*i+3)
	}
	for i, room := range rooms {
		got, err := h.Last(t.Context(), room, 50)
		wantMessages(t, fmt.Sprintf("Last(%.20q)", room), got, err, 100*i, 100*i+3)
	}
	if _, err := h.Before(t.Context(), "a", store.Cursor{ID: message(200).ID}, 1); !errors.Is(err, store.ErrUnknownMessage) {
		t.Errorf("Before a message of another room = %v, want ErrUnknownMessage", err)
	}
}

func pagesBack(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 330)
	page, err := h.Last(t.Context(), "r", 50)
	wantMessages(t, "Last", page, err, 280, 330)
	for first := 280; first > 0; first = max(0, first-50) {
		page, err = h.Before(t.Context(), "r", store.Cursor{ID: page[0].ID}, 50)
		wantMessages(t, fmt.Sprintf("Before message %d", first), page, err, max(0, first-50), first)
	}
	page, err = h.Before(t.Context(), "r", store.Cursor{ID: message(0).ID}, 50)
	wantMessages(t, "Before the first message", page, err, 0, 0)
	page, err = h.Before(t.Context(), "r", store.Cursor{ID: message(100).ID}, 0)
	wantMessages(t, "Before with limit 0", page, err, 0, 0)
}

func beforeTime(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 200)
	for name, c := range map[string]struct {
		before   store.Cursor
		from, to int
	}{
		"the time of a message":         {store.Cursor{Time: message(100).Time}, 90, 100},
		"just after a message":          {store.Cursor{Time: message(100).Time.Add(time.Millisecond)}, 91, 101},
		"after the last":                {store.Cursor{Time: message(1000).Time}, 190, 200},
		"near the first":                {store.Cursor{Time: message(5).Time}, 0, 5},
		"the time of the first":         {store.Cursor{Time: message(0).Time}, 0, 0},
		"an unknown id and a time":      {store.Cursor{ID: "gone", Time: message(100).Time}, 90, 100},
		"a known id and a time":         {store.Cursor{ID: message(20).ID, Time: message(100).Time}, 10, 20},
		"a time in another zone":        {store.Cursor{Time: message(100).Time.In(time.FixedZone("", 3600))}, 90, 100},
		"a timestamp as a client sends": {store.ParseCursor("2026-03-01T12:01:40.123Z"), 90, 100},
	} {
		got, err := h.Before(t.Context(), "r", c.before, 10)
		wantMessages(t, name, got, err, c.from, c.to)
	}
}

func unknownMessage(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 200)
	for _, c := range []store.Cursor{{}, {ID: "x"}, {ID: message(1000).ID}, {ID: `"content"`}} {
		if got, err := h.Before(t.Context(), "r", c, 10); !errors.Is(err, store.ErrUnknownMessage) {
			t.Errorf("Before(%v) = %d messages, %v, want ErrUnknownMessage", c, len(got), err)
		}
	}
}

func roomMessagesBound(t *testing.T, h store.History) {
	for n := range 100 {
		fill(t, h, "r", n, n+1)
		got, err := h.Last(t.Context(), "r", 50)
		wantMessages(t, "Last", got, err, max(0, n-9), n+1)
	}
	got, err := h.Before(t.Context(), "r", store.Cursor{ID: message(95).ID}, 50)
	wantMessages(t, "Before a message that is kept", got, err, 90, 95)
	if _, err := h.Before(t.Context(), "r", store.Cursor{ID: message(89).ID}, 50); !errors.Is(err, store.ErrUnknownMessage) {
		t.Errorf("Before a message that has gone = %v, want ErrUnknownMessage", err)
	}
}

func roomBytesBound(t *testing.T, h store.History) {
	for n := range 100 {
		m := message(n)
		m.JSON = strings.Repeat("x", 1000)
		if err := h.Append("r", m); err != nil {
			t.Fatal(err)
		}
	}
	// A message counts for 1,000 bytes and its overhead, and a history on disk prunes an eighth late.
	got := waitFor(t, h, "r", func(got []store.Message) bool { return len(got) <= 20 })
	if len(got) < 12 {
		t.Fatalf("a room of at most 16 KiB has %d messages of 1000 bytes", len(got))
	}
	if last := got[len(got)-1]; last.ID != message(99).ID {
		t.Errorf("the newest message is %s, want %s", last.ID, message(99).ID)
	}
}

func tooLarge(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 2)
	m := message(2)
	m.JSON = strings.Repeat("x", 16<<10)
	if err := h.Append("r", m); !errors.Is(err, store.ErrMessageTooLarge) {
		t.Errorf("Append = %v, want ErrMessageTooLarge", err)
	}
	fill(t, h, "r", 2, 3)
	got, err := h.Last(t.Context(), "r", 50)
	wantMessages(t, "Last", got, err, 0, 3)
}

func roomsGo(t *testing.T, h store.History) {
	// Twenty rooms of 8 messages are far more than the 64 for all, so most of them must have gone; but the quiet room
	// gets a message now and then, and reading does not save a room.
	next := 0
	for i := range 20 {
		for range 8 {
			fill(t, h, fmt.Sprint("room ", i), next, next+1)
			next++
		}
		fill(t, h, "quiet", 10_000+i, 10_001+i)
		if _, err := h.Last(t.Context(), "room 0", 1); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, h, "room 0", func(got []store.Message) bool { return len(got) == 0 })
	got, err := h.Last(t.Context(), "quiet", 50)
	wantMessages(t, "Last of the quiet room", got, err, 10_012, 10_020)
	got, err = h.Last(t.Context(), "room 19", 50)
	wantMessages(t, "Last of the newest room", got, err, next-8, next)
}

// waitFor reads a room until what is asked for is there: a history on disk prunes in its own time. The test's own
// deadline bounds it.
func waitFor(t *testing.T, h store.History, room string, done func([]store.Message) bool) []store.Message {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		got, err := h.Last(t.Context(), room, 50)
		if err != nil {
			t.Fatal(err)
		}
		if done(got) {
			return got
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("room %q still has %d messages", room, len(got))
		}
	}
}

func endedContext(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Last(ctx, "r", 5); !errors.Is(err, context.Canceled) {
		t.Errorf("Last = %v, want context.Canceled", err)
	}
	if _, err := h.Before(ctx, "r", store.Cursor{ID: message(5).ID}, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("Before = %v, want context.Canceled", err)
	}
}

func closedHistory(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 10)
	for range 2 {
		if err := h.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if err := h.Append("r", message(10)); !errors.Is(err, store.ErrHistoryClosed) {
		t.Errorf("Append = %v, want ErrHistoryClosed", err)
	}
	if _, err := h.Last(t.Context(), "r", 5); !errors.Is(err, store.ErrHistoryClosed) {
		t.Errorf("Last = %v, want ErrHistoryClosed", err)
	}
	if _, err := h.Before(t.Context(), "r", store.Cursor{Time: start}, 5); !errors.Is(err, store.ErrHistoryClosed) {
		t.Errorf("Before = %v, want ErrHistoryClosed", err)
	}
}

func sliceIsACopy(t *testing.T, h store.History) {
	fill(t, h, "r", 0, 10)
	got, err := h.Last(t.Context(), "r", 10)
	wantMessages(t, "Last", got, err, 0, 10)
	clear(got)
	got, err = h.Last(t.Context(), "r", 10)
	wantMessages(t, "Last", got, err, 0, 10)
}

func concurrentHistory(t *testing.T, h store.History) {
	const rooms, writers, each = 5, 4, 150
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				room := fmt.Sprint("room ", n%rooms)
				m := store.Message{ID: fmt.Sprintf("%d-%d", w, n), JSON: fmt.Sprint(n), Time: start}
				if err := h.Append(room, m); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				got, err := h.Last(t.Context(), room, writers*each)
				if err != nil {
					t.Errorf("Last: %v", err)
					return
				}
				// The writer's own messages: all so far, in order, the one just appended included.
				own := n % rooms
				for _, m := range got {
					if !strings.HasPrefix(m.ID, fmt.Sprint(w, "-")) {
						continue
					}
					if m.JSON != fmt.Sprint(own) {
						t.Errorf("writer %d reads %s where %d follows", w, m.JSON, own)
						return
					}
					own += rooms
				}
				if own != n+rooms {
					t.Errorf("writer %d appended %d and reads up to %d", w, n, own-rooms)
					return
				}
			}
		})
	}
	wg.Wait()
}
