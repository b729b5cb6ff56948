package redislink

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store/redis/redistest"
)

// publications are messages for a press, with room for their answers.
func publications(channels ...string) (items []*item, cmds []goredis.Cmder) {
	for i, channel := range channels {
		it := &item{verb: publish, channel: channel, payload: []byte("payload\r\n")}
		if i%2 == 1 {
			it.verb = spublish
		}
		cmd := newPublication().set(it)
		cmd.SetErr(errUnanswered)
		items, cmds = append(items, it), append(cmds, cmd)
	}
	return items, cmds
}

// pressOf returns a press whose Redis answers with a text that comes in pieces.
func pressOf(text string, each int) (press, *pieces) {
	conn := &pieces{text: []byte(text), each: each}
	return press{stream: stream{conn: conn, buf: make([]byte, 64)}, timeout: time.Second}, conn
}

func TestPressPublishes(t *testing.T) {
	t.Parallel()
	for _, each := range []int{1, 5, 100} {
		p, conn := pressOf(":0\r\n-NOPERM "+strings.Repeat("no ", 50)+"\r\n:12\r\n", each)
		items, cmds := publications("a", "b", "")
		if err := p.print(items, cmds); err != nil {
			t.Fatal(err)
		}
		want := array("publish", "a", "payload\r\n") + array("spublish", "b", "payload\r\n") + array("publish", "", "payload\r\n")
		if got := conn.written.String(); got != want {
			t.Errorf("written: %q, want %q", got, want)
		}
		if cmds[0].Err() != nil || cmds[2].Err() != nil || !goredis.HasErrorPrefix(cmds[1].Err(), "NOPERM") || !isReply(cmds[1].Err()) {
			t.Errorf("in pieces of %d: answers %v, %v, %v", each, cmds[0].Err(), cmds[1].Err(), cmds[2].Err())
		}
	}
}

func TestPressIsOfNoUseAfterAFault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"ends between two answers": {":0\r\n", io.EOF},
		"ends within one":          {":0\r\n:", io.EOF},
		"answers something else":   {":0\r\n+OK\r\n", errProtocol},
		"answers too much":         {":0\r\n:0\r\n:0\r\n", errProtocol},
	} {
		p, _ := pressOf(tt.text, 100)
		items, cmds := publications("a", "b")
		if err := p.print(items, cmds); !errors.Is(err, tt.want) {
			t.Errorf("%s: print = %v, want %v", name, err, tt.want)
		}
		if cmds[0].Err() != nil {
			t.Errorf("%s: the first was answered, and says %v", name, cmds[0].Err())
		}
		if tooMuch := tt.text == ":0\r\n:0\r\n:0\r\n"; !tooMuch && cmds[1].Err() != errUnanswered {
			t.Errorf("%s: the second says %v, want %v", name, cmds[1].Err(), errUnanswered)
		}
	}
}

// TestPublicationsAndCommandsTakeTurns has one connection used in both ways, one after the other and mixed.
func TestPublicationsAndCommandsTakeTurns(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	await(t, "the connection", states)
	got := newInbox()
	sub := l.Subscriber(got.take)
	subscribe1(t, sub, Plain, "c")
	done := make(chan error, 1)
	n := 0
	for range 30 {
		for range 7 {
			n++
			if !l.Publish("c", []byte("x")) {
				t.Fatal("lost")
			}
		}
		if n%2 == 0 {
			got.await(t, n) // so that batches without commands are among them
		}
		l.Enqueue(Command{Args: []any{"set", "k", strings.Repeat("v", n)}, Done: func(_ any, err error) { done <- err }})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	got.await(t, n)
	if stats := l.Stats(); stats.Lost > 0 || stats.Downs > 0 {
		t.Errorf("%+v", stats)
	}
}
