package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"signalbox/store"
)

func TestParseCursor(t *testing.T) {
	const uuid = "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11"
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)
	for text, want := range map[string]store.Cursor{
		uuid:                            {ID: uuid},
		"2026-03-01T12:00:00.123Z":      {Time: at},
		"2026-03-01T13:00:00.123+01:00": {Time: at},
		"1772366400123":                 {Time: at},
		"-5":                            {ID: "-5"},
		"1234567890123456789":           {ID: "1234567890123456789"},
		"2026-03-01":                    {ID: "2026-03-01"},
		"":                              {},
	} {
		got := store.ParseCursor(text)
		if got.ID != want.ID || !got.Time.Equal(want.Time) {
			t.Errorf("ParseCursor(%q) = %v, want %v", text, got, want)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"", "1772366400123", "2026-03-01T12:00:00.123Z", "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := store.ParseCursor(text)
		if c.ID != "" && (c.ID != text || !c.Time.IsZero()) {
			t.Errorf("ParseCursor(%q) = %v, want either a time or that id", text, c)
		}
	})
}

func TestHistoryLimits(t *testing.T) {
	defaults := store.HistoryLimits{RoomMessages: 10, RoomBytes: 100, Messages: 1000, Bytes: 10_000}
	for name, c := range map[string]struct {
		in, want store.HistoryLimits
		bad      bool
	}{
		"nothing set":                     {want: defaults},
		"everything set":                  {in: store.HistoryLimits{1, 2, 3, 4}, want: store.HistoryLimits{1, 2, 3, 4}},
		"a small whole lowers a default":  {in: store.HistoryLimits{Messages: 5, Bytes: 50}, want: store.HistoryLimits{5, 50, 5, 50}},
		"a room above the whole":          {in: store.HistoryLimits{RoomMessages: 5, Messages: 4}, bad: true},
		"a room above the default whole":  {in: store.HistoryLimits{RoomBytes: 10_001}, bad: true},
		"a negative number for one room":  {in: store.HistoryLimits{RoomBytes: -1}, bad: true},
		"a negative number for all rooms": {in: store.HistoryLimits{Messages: -1}, bad: true},
	} {
		got, err := c.in.Resolve(defaults)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: Resolve = %+v, %v, want %+v, error %v", name, got, err, c.want, c.bad)
		}
	}
}

func TestAppendMessages(t *testing.T) {
	for _, messages := range [][]store.Message{nil, {{JSON: `{"a":1}`}}, {{JSON: `{"a": 1.0}`}, {JSON: "2"}, {JSON: "[]"}}} {
		got := store.AppendMessages([]byte("x"), messages)
		var back []json.RawMessage
		if err := json.Unmarshal(got[1:], &back); err != nil || got[0] != 'x' || len(back) != len(messages) {
			t.Fatalf("AppendMessages = %s, %v", got, err)
		}
		for i, m := range messages {
			if string(back[i]) != m.JSON {
				t.Errorf("message %d is %s, want %s", i, back[i], m.JSON)
			}
		}
	}
}
