package redislink

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pieces is a connection that brings a text in reads of a few bytes, and keeps what is written.
type pieces struct {
	net.Conn
	text    []byte
	each    int
	written bytes.Buffer
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.each)], p.text)
	p.text = p.text[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return p.written.Write(b) }

func (p *pieces) SetDeadline(time.Time) error      { return nil }
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

// pushesOf reads a text that comes in pieces.
func pushesOf(text string, each int) *pushReader {
	return &pushReader{reader: newReader(&pieces{text: []byte(text), each: each})}
}

// array writes what Redis sends.
func array(parts ...string) string {
	var b strings.Builder
	b.WriteString("*" + strconv.Itoa(len(parts)) + "\r\n")
	for _, part := range parts {
		if strings.HasPrefix(part, ":") {
			b.WriteString(part + "\r\n")
			continue
		}
		b.WriteString("$" + strconv.Itoa(len(part)) + "\r\n" + part + "\r\n")
	}
	return b.String()
}

func TestPushReceives(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789\r\n", 300_000)
	text := "+PONG\r\n" +
		array("subscribe", "a", ":1") + array("psubscribe", "b*", ":2") + array("ssubscribe", "c", ":1") +
		array("message", "a", "one") + array("message", "a", "") + array("message", "", "no name") +
		array("pmessage", "b*", "b\r\n1", "$3\r\ntwo") + array("pmessage", "b*", "b2", large) + array("smessage", "c", "three") +
		array("pong", "") + "-NOPERM no such channel\r\n" + array("unsubscribe", "a", ":1") + array("message", "a", "last")
	want := []push{
		{verb: "pong"},
		{verb: "subscribe", name: "a"}, {verb: "psubscribe", name: "b*"}, {verb: "ssubscribe", name: "c"},
		{verb: "message", message: Message{Channel: "a", Payload: []byte("one")}},
		{verb: "message", message: Message{Channel: "a", Payload: []byte{}}},
		{verb: "message", message: Message{Channel: "", Payload: []byte("no name")}},
		{verb: "pmessage", message: Message{Pattern: "b*", Channel: "b\r\n1", Payload: []byte("$3\r\ntwo")}},
		{verb: "pmessage", message: Message{Pattern: "b*", Channel: "b2", Payload: []byte(large)}},
		{verb: "smessage", message: Message{Channel: "c", Payload: []byte("three"), Sharded: true}},
		{verb: "pong"}, {},
		{verb: "unsubscribe", name: "a"},
		{verb: "message", message: Message{Channel: "a", Payload: []byte("last")}},
	}
	for _, each := range []int{1, 7, 4096, 1 << 24} {
		f := pushesOf(text, each)
		var kept []push
		for i := range want {
			got, err := f.receive()
			if refused := want[i].verb == ""; refused != isReply(err) || !refused && err != nil {
				t.Fatalf("in pieces of %d: receive %d = %+v, %v", each, i, got, err)
			}
			kept = append(kept, got)
		}
		for i, got := range kept { // what came does not change with what comes next
			m, w := got.message, want[i].message
			if got.verb != want[i].verb || got.name != want[i].name || m.Channel != w.Channel || m.Pattern != w.Pattern ||
				m.Sharded != w.Sharded || !bytes.Equal(m.Payload, w.Payload) {
				t.Errorf("in pieces of %d: push %d is %+v", each, i, got.verb)
			}
		}
		if got, err := f.receive(); err != io.EOF {
			t.Errorf("in pieces of %d: at the end %+v, %v", each, got, err)
		}
	}
}

func TestPushTellsErrorsApart(t *testing.T) {
	t.Parallel()
	for text, moved := range map[string]bool{"-MOVED 1 127.0.0.1:7000\r\n": true, "-TRYAGAIN later\r\n": true, "-NOPERM no\r\n": false} {
		_, err := pushesOf(text, 100).receive()
		if !isReply(err) || isMoved(err) != moved {
			t.Errorf("%q is %v", text, err)
		}
	}
	_, err := pushesOf("-LOADING for a while\r\n", 100).receive()
	if !turnsAway(err) || !HasPrefix(err, "LOADING") {
		t.Errorf("%v turns nobody away", err)
	}
}

func TestPushRefusesWhatIsNoPush(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\r\n", "\n", ":1\r\n", "$3\r\nabc\r\n", "*x\r\n", "*-1\r\n", "*0\r\n", "*1\r\n$4\r\npong\r\n", "*5\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\naXX$1\r\nb\r\n", "*3\r\n$7\r\nmessage\r\n$x\r\n", "*3\r\n$-2\r\n", "*2\r\n*1\r\n",
		"*3\r\n$99999999999\r\n", "*3\r\n$9999999999999999999999\r\n",
		array("message", "a"), array("message", "a", "b", "c"), array("pmessage", "a", "b"), array("hello", "a", "b"), array("subscribe", "a"),
	} {
		if got, err := pushesOf(text, 100).receive(); !errors.Is(err, errProtocol) {
			t.Errorf("receive(%q) = %+v, %v, want %v", text, got, err, errProtocol)
		}
	}
}

// TestPushAllocates says what a message takes that is to the same room as the last one: its payload.
func TestPushAllocates(t *testing.T) {
	text := strings.Repeat(array("pmessage", "socket.io#/#*", "socket.io#/#room#", strings.Repeat("x", 300)), 100)
	conn := &pieces{each: 4096}
	f := &pushReader{reader: newReader(conn)}
	all := []byte(text)
	perRun := testing.AllocsPerRun(20, func() {
		conn.text = all
		for range 100 {
			if _, err := f.receive(); err != nil {
				t.Fatal(err)
			}
		}
	})
	if perRun > 110 {
		t.Errorf("%v allocations for 100 messages", perRun)
	}
}

// FuzzPush has anything come: it ends in an error or is taken in full, and how it is cut into reads changes nothing.
func FuzzPush(f *testing.F) {
	for _, seed := range []string{
		array("message", "a", "b"), array("pmessage", "p", "a", "b") + "+PONG\r\n", "-ERR x\r\n" + array("smessage", "a", "b"), "*3\r\n$-1\r\n:1\r\n",
		array("sunsubscribe", "a", ":0"), "*2\r\n$4\r\npong\r\n$-1\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all := func(each int) (pushes []string, end error) {
			r := pushesOf(string(text), each)
			for {
				p, err := r.receive()
				if err != nil && !isReply(err) {
					return pushes, err
				}
				pushes = append(pushes, p.verb+"|"+p.name+"|"+p.message.Channel+"|"+p.message.Pattern+"|"+string(p.message.Payload))
			}
		}
		whole, end := all(len(text) + 1)
		cut, cutEnd := all(3)
		if !slices.Equal(whole, cut) || !errors.Is(cutEnd, end) {
			t.Errorf("whole: %q, %v; in pieces: %q, %v", whole, end, cut, cutEnd)
		}
	})
}
