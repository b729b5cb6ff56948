package broker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"signalbox/handlers/testkit"
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
	w := testkit.NewWorld(t, testkit.RootOptions{Log: log})
	a := w.Connect(t, "a")
	cases := map[string]struct {
		event string
		args  []string
		want  []string
	}{
		"no data": {"e", []string{`{"recipientUserId":1,"senderUserId":7.0,"x":"secret"}`},
			[]string{`level=DEBUG msg="event received" sid=a event=e sender=7` + "\n"}},
		"no sender and no data": {"e", nil,
			[]string{"event=e sender=undefined\n", `msg="event not delivered" sid=a event=e reason="data is missing or null"`}},
		"a join": {"join", []string{`{"senderUserId":"u"}`}, []string{"event=join sender=u\n"}},
		"a renewal of a token": {"renew", []string{`{"token":"secret"}`},
			[]string{"event=renew sender=undefined\n", `msg="event not delivered" sid=a event=renew`}},
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
			if strings.Contains(out.String(), "secret") {
				t.Errorf("log = %s, which holds what was sent", out.String())
			}
			if lines := strings.Count(out.String(), "\n"); lines != len(c.want) {
				t.Errorf("log = %s, want %d lines", out.String(), len(c.want))
			}
		})
	}
}
