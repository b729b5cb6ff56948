package broker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"signalbox/handlers/handlertest"
)

func TestDebugLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	w := handlertest.NewWorld(t, handlertest.RootOptions{Log: log})
	a := w.Connect(t, "a")
	fill := func(n int) string {
		return `{"recipientUserId":1,"senderUserId":7,"x":"` + strings.Repeat("x", n) + `"}`
	}
	short := len(fill(0))
	cases := map[string]struct {
		event string
		args  []string
		want  []string
	}{
		"a short event": {"e", []string{`{"recipientUserId":1,"senderUserId":7.0}`},
			[]string{`level=DEBUG msg="event received" sid=a event=e sender=7 data="{\"recipientUserId\":1,\"senderUserId\":7.0}"`}},
		"63 characters are shown": {"e", []string{fill(63 - short)},
			[]string{strings.ReplaceAll(fill(63-short), `"`, `\"`) + `"`}},
		"64 are, with dots": {"e", []string{fill(64 - short)},
			[]string{strings.ReplaceAll(fill(64-short), `"`, `\"`) + `..."`}},
		"the rest is not": {"e", []string{fill(500)},
			[]string{strings.ReplaceAll(fill(500)[:64], `"`, `\"`) + `..."`}},
		"no sender and no data": {"e", nil,
			[]string{`event=e sender=undefined data=undefined`, `msg="event not delivered" sid=a event=e reason="data is missing or null"`}},
		"a join": {"join", []string{`{"senderUserId":"u"}`}, []string{`event=join sender=u data=`}},
		"a time": {"time", nil, []string{`event=time sender=undefined`}},
		"a long name": {strings.Repeat("n", 1000), []string{`{"recipientUserId":1}`},
			[]string{"event=" + strings.Repeat("n", 64) + "... "}},
		"nothing of chats": {"roomMessage", []string{`"secret"`}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out.Reset()
			a.Say(c.event, c.args...)
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("log = %s, want in it %s", out.String(), want)
				}
			}
			if lines := strings.Count(out.String(), "\n"); lines != len(c.want) {
				t.Errorf("log = %s, want %d lines", out.String(), len(c.want))
			}
		})
	}
}
