package cluster

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// A mark comes to all nodes at one place among the messages of a channel, and to no client.
func TestMarks(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := newNode(t, s, o...), newNode(t, s, o...)
		in := b.join("b", user42)
		for _, n := range []*node{a, b} {
			n.OnMark(func(_, mark string) { in.got <- fmt.Sprintf("mark %s at %v", mark, n == b) })
			n.ExpectMarks(1)
			n.Start(n)
		}
		meet(t, a, b)
		channels := a.MarkChannels("/", []hub.Room{user42})
		if len(channels) != 1 {
			t.Fatalf("channels %q, want one: all comes in one order", channels)
		}
		for i := range 100 {
			a.hub.Send(user42, event("/", "x"))
			if !b.Mark("/", channels, fmt.Sprint(i)) {
				t.Fatal("no mark")
			}
			for range 3 {
				nextLine(t, in)
			}
			a.hub.Send(user42, event("/", fmt.Sprint("before ", i)))
			a.Mark("/", channels, fmt.Sprint("m", i))
			a.hub.Send(user42, event("/", fmt.Sprint("behind ", i)))
			var got []string
			for range 4 {
				if line := nextLine(t, in); line != fmt.Sprintf("mark m%d at false", i) {
					got = append(got, line)
				}
			}
			if want := fmt.Sprintf("[before %d mark m%d at true behind %d]", i, i, i); fmt.Sprint(got) != want {
				t.Fatalf("%v, want %s", got, want)
			}
		}
	})
}

func nextLine(t *testing.T, c *client) string {
	t.Helper()
	select {
	case line := <-c.got:
		return line
	case <-time.After(patience):
		t.Fatal("nothing more comes")
		return ""
	}
}

func TestAskNode(t *testing.T) {
	s := redistest.Start(t)
	a, b := startNode(t, s), startNode(t, s)
	b.OnAsk("t", func(_ context.Context, body []byte) []byte { return append(body, '!') })
	meet(t, a, b)
	for _, name := range []string{b.ID(), b.SocketPrefix()} {
		if answer, err := a.AskNode(t.Context(), name, "t", []byte("x")); string(answer) != "x!" || err != nil {
			t.Errorf("asked as %s: %q, %v", name, answer, err)
		}
	}
	for _, name := range []string{a.ID(), "nobody"} {
		if _, err := a.AskNode(t.Context(), name, "t", nil); err == nil {
			t.Errorf("%s has answered", name)
		}
	}
}

// Nodes that are not set up alike say so, each once for each other.
func TestSettingsAreCompared(t *testing.T) {
	s := redistest.Start(t)
	var logs [3]lines
	with := func(i int, settings string) nodeOption {
		return func(o *Options) { o.Settings, o.Log = settings, slog.New(slog.NewTextHandler(&logs[i], nil)) }
	}
	a := startNode(t, s, with(0, "version=1\nRECOVERY=[]"))
	b := startNode(t, s, with(1, "version=1\nRECOVERY=[/]"))
	c := startNode(t, s, with(2, "version=1\nRECOVERY=[]"))
	meet(t, a, b, c)
	for i, other := range []*node{b, a, b} {
		eventually(t, "the other is named", func() bool { return strings.Contains(logs[i].String(), other.ID()) })
	}
	if text := logs[0].String(); strings.Count(text, "not set up like") != 1 || !strings.Contains(text, "there=RECOVERY=[/] here=RECOVERY=[]") &&
		!strings.Contains(text, `there="RECOVERY=[/]" here="RECOVERY=[]"`) {
		t.Errorf("the log has %s", text)
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
