package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"signalbox/handlers/testkit"
)

// BenchmarkRelay is one event to one receiver, encoding included.
func BenchmarkRelay(b *testing.B) {
	sdp := strings.Repeat(`v=0\r\na=candidate:1 1 UDP \"x\" `, 64)
	for name, data := range map[string]string{
		"data=60B/id=number": `{"recipientUserId":1234,"senderUserId":5678,"type":"offer"}`,
		"data=60B/id=string": `{"recipientUserId":"u-1234","senderUserId":"u-5678","type":"x"}`,
		"data=2KB":           `{"recipientUserId":1234,"senderUserId":5678,"sdp":"` + sdp + `"}`,
		"data=100KB":         `{"recipientUserId":1234,"senderUserId":5678,"l":[` + strings.Repeat(`{"a":[1,2,"xyz"]},`, 6000) + `0]}`,
	} {
		b.Run(name, func(b *testing.B) {
			w := testkit.NewWorld(b, testkit.RootOptions{})
			for i, id := range []string{`1234`, `"u-1234"`} {
				_, receiver := w.Silent(b, fmt.Sprint("r", i))
				receiver.Event(testkit.Event("join", `{"senderUserId":`+id+`}`))
			}
			_, sender := w.Silent(b, "s")
			e := testkit.Event("signal", data)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				sender.Event(e)
			}
		})
	}
}

// TestRelayAllocatesTheMessageOnly: the message, and what encoding makes of it.
func TestRelayAllocatesTheMessageOnly(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	_, receiver := w.Silent(t, "r")
	receiver.Event(testkit.Event("join", `{"senderUserId":"u-1"}`))
	_, sender := w.Silent(t, "s")
	for _, data := range []string{`{"recipientUserId":"u-1","x":1}`, `{"recipientUserId":"\u0075-1"}`, `{"recipientUserId":1.5}`} {
		e := testkit.Event("signal", data)
		want := 1.0
		if strings.Contains(data, "u") && !strings.Contains(data, "1.5") {
			want += 2 // encoded: the bytes and what holds them
		}
		if got := testing.AllocsPerRun(100, func() { sender.Event(e) }); got > want {
			t.Errorf("%s: %v allocations, want %v", data, got, want)
		}
	}
}
