package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// said is a message on a channel.
type said struct {
	channel, payload string
	sharded          bool
}

// entry stands for the channel of what was written to the stream.
const entry = "xadd"

// record returns what nodes say to each other while they do everything there is.
func record(t *testing.T, s *redistest.Server, a, b *node) []said {
	t.Helper()
	if !s.Real() {
		t.Skip("MONITOR needs a real Redis")
	}
	monitor, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer monitor.Close()
	if _, err := io.WriteString(monitor, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(monitor)
	if _, err := lines.ReadString('\n'); err != nil { // its OK
		t.Fatal(err)
	}

	in := b.join(sid("in"), user42)
	b.asks[sid("in")] = `"1"`
	noAnswer := func(string, []json.RawMessage, [][]byte) {}
	m := event("/", "x", `{"a":[1.0,"\u00e9"]}`, `{"_placeholder":true,"num":0}`)
	m.Text, m.SSE, m.ID, m.Attachments = []byte("text"), []byte("data: 1\n\n"), "id", [][]byte{{1, 2, 3}}
	for _, n := range []*node{a, b} {
		n.hub.Send(user42, m)
		n.hub.Send(user42, event("/", "plain", `1`))
		n.hub.Send(hub.Room{Kind: hub.KindTopic, Name: "tap"}, &hub.Message{SSE: []byte("data: 1\n\n")})
		sum(t, n, user42, event("/", "counted", `{}`))
		n.Emit(hub.Selection{Except: []hub.Room{user42, hub.SocketRoom("/", sid("in"))}}, event("/", "all"), nil)
		n.Join("/", single(user42), []string{"r"})
		n.Leave("/", single(user42), []string{"r"})
		n.Tell("told", []byte("body"))
		n.Ask(t.Context(), "asked", []byte("body"))
		n.Publish("update", []byte("1"))
		n.Publish("user:42", []byte(`{"type":"x"}`))
		if _, err := n.AllRooms(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.FetchSockets(t.Context(), "/", hub.Selection{}); err != nil {
			t.Fatal(err)
		}
		if _, err := n.ServerSideAsk(t.Context(), "/", []json.RawMessage{json.RawMessage(`"e"`), json.RawMessage(`1`)}, nil); err != nil {
			t.Fatal(err)
		}
		n.AskClients(t.Context(), single(user42), event("/", "q"), time.Second, noAnswer)
	}
	b.hub.Remove(in.Member)

	var list []said
	a.Tell("end", nil)
	for over := false; !over; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		m, ok := published(strings.TrimSpace(line))
		over = strings.Contains(m.payload, "\x03end")
		if ok {
			list = append(list, m)
		}
	}
	for _, n := range []*node{a, b} {
		list = append(list, said{n.inbox, "", false})
		for channel := range n.byChannel {
			list = append(list, said{channel, "", a.sharded})
		}
	}
	return append(list, said{"user:", "{}", false}, said{"room:\xff", "{}", false}, said{"test#/#", "", false})
}

// published reads a line of MONITOR: time, client, and the command with each argument in quotes.
func published(line string) (said, bool) {
	_, rest, _ := strings.Cut(line, "] ")
	var args []string
	for rest != "" {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return said{}, false
		}
		arg, err := strconv.Unquote(quoted)
		if err != nil {
			return said{}, false
		}
		args = append(args, arg)
		rest = strings.TrimPrefix(rest[len(quoted):], " ")
	}
	if len(args) > 6 && args[0] == "xadd" {
		return said{entry, args[slices.Index(args, "data")+1], false}, true
	}
	if len(args) != 3 || args[0] != "publish" && args[0] != "spublish" {
		return said{}, false
	}
	return said{args[1], args[2], args[0] == "spublish"}, true
}

// spoil changes a message.
func spoil(r *rand.Rand, payload, other string) string {
	b := []byte(payload)
	switch r.IntN(6) {
	case 0:
		return payload // said twice
	case 1:
		return payload[:r.IntN(len(b)+1)]
	case 2:
		return payload[:r.IntN(len(b)+1)] + other[r.IntN(len(other)+1):]
	case 3:
		b = make([]byte, r.IntN(64))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
	default:
		for range 1 + r.IntN(4) {
			if len(b) > 0 {
				b[r.IntN(len(b))] = byte(r.IntN(256))
			}
		}
	}
	return string(b)
}

// Whatever anybody says on whichever channel, nobody panics, and messages between nodes come as before.
func TestHostileMessages(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		for _, n := range []*node{a, b} {
			n.OnTell("told", func([]byte) {})
			n.OnAsk("asked", func(_ context.Context, body []byte) []byte { return body })
			stop := drainNode(n)
			t.Cleanup(stop)
		}
		meet(t, a, b)
		list := record(t, s, a, b)
		seed := uint64(time.Now().UnixNano())
		t.Logf("%d recorded messages, seed %d", len(list), seed)
		r := rand.New(rand.NewPCG(seed, 0))
		other := raw(t, s)
		for range 20 {
			pipe := other.Pipeline()
			for range 250 {
				at, of, more := list[r.IntN(len(list))], list[r.IntN(len(list))], list[r.IntN(len(list))]
				payload := spoil(r, of.payload, more.payload)
				if at.channel == entry {
					kind := []any{"T", 3, 4, 5, 6, 7, 9, r.IntN(300)}[r.IntN(8)]
					pipe.Do(t.Context(), "xadd", "test", "*", "uid", "x", "nsp", []string{"", "/"}[r.IntN(2)], "type", kind, "data", payload)
				} else if at.sharded {
					pipe.SPublish(t.Context(), at.channel, payload)
				} else {
					pipe.Publish(t.Context(), at.channel, payload)
				}
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// Good-bye, or more than that, may have been said in a node's name: what is true comes with the next beats.
		in := b.join("listener", lobby42)
		for deadline := time.Now().Add(2 * patience); ; {
			a.hub.Send(lobby42, event("/", "still"))
			select {
			case got := <-in.got:
				if got == "still" {
					break
				}
				continue
			case <-time.After(50 * time.Millisecond):
				if time.Now().After(deadline) {
					t.Fatal("messages do not come any more")
				}
				continue
			}
			break
		}
		for name, n := range map[string]*node{"a": a, "b": b} {
			if s := n.Stats(); s.Panics > 0 || s.Dropped == 0 {
				t.Errorf("%s: %d panics, %d messages dropped", name, s.Panics, s.Dropped)
			}
		}
	})
}

// drainNode reads what a node's handlers were given, so that they never wait; the result ends it.
func drainNode(n *node) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { // awaited by stop
		defer close(ended)
		for {
			select {
			case <-n.plain:
			case <-n.heard:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
