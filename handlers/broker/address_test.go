package broker

import (
	"encoding/json"
	"strings"
	"testing"

	"signalbox/server/app"
)

func TestClipCutsNoCharacterInHalf(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"abc":                          "abc",
		strings.Repeat("é", 63):        strings.Repeat("é", 63),
		strings.Repeat("é", 64):        strings.Repeat("é", 64) + "...",
		strings.Repeat("😀", 31):        strings.Repeat("😀", 31),
		strings.Repeat("😀", 33):        strings.Repeat("😀", 32) + "...",
		"x" + strings.Repeat("😀", 40):  "x" + strings.Repeat("😀", 31) + "...",
		strings.Repeat("\xff", 300):    strings.Repeat("\xff", 64) + "...",
		strings.Repeat("\u20ac", 1000): strings.Repeat("\u20ac", 64) + "...",
	} {
		if got := clip([]byte(in)); got != want {
			t.Errorf("clip(%.20q...) = %q, want %q", in, got, want)
		}
	}
}

func event(data string) *app.Event {
	return &app.Event{Name: "e", Args: []json.RawMessage{json.RawMessage(data)}, Attachments: [][]byte{{1}}}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{`{"recipientUserId":1,"senderUserId":"x"}`, `{"_placeholder":true}`, `[`, `{"recipientUserId"`} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, raw string) { addressOf(event(raw)) })
}

func BenchmarkAddressOf(b *testing.B) {
	for name, data := range map[string]string{
		"nested":      `{"recipientUserId":1,"l":[` + strings.Repeat(`{"a":[1,2,"xyz"]},`, 600) + `0]}`,
		"long string": `{"recipientUserId":1,"s":"` + strings.Repeat("x", 10_000) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			e := event(data)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				addressOf(e)
			}
		})
	}
}
