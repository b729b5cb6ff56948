package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// TestManyLargeAnswers asks for more in one segment than the outbox takes. Every answer arrives.
func TestManyLargeAnswers(t *testing.T) {
	const n, limit = 300, 512 * kiB
	answer := strings.Repeat("x", 50_000)
	for _, batched := range []bool{true, false} {
		for _, procs := range []int{1, 2} {
			t.Run(fmt.Sprintf("batched=%v/procs=%d", batched, procs), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				a := newApp()
				a.text = func(s *Session, data []byte) error {
					m := wire.Text([]byte("4"), data, []byte(answer))
					if batched {
						return s.Reply(m)
					}
					return s.Send(m)
				}
				s := start(t, conn.Config{OutboxBytes: limit}, a)

				r := s.rawWebSocket(t)
				var requests []byte
				for i := range n {
					requests = append(requests, testkit.TextFrame(fmt.Sprintf("4%03d", i))...)
				}
				r.Send(requests)
				for i := range n {
					if _, got := r.Frame(); !bytes.HasPrefix(got, fmt.Appendf(nil, "4%03dx", i)) {
						t.Fatalf("answer %d is %.10q", i, got)
					}
				}

				p := s.poller(t)
				var packets []string
				for i := range 50 {
					packets = append(packets, fmt.Sprintf("4%03d", i))
				}
				status := make(chan int, 1)
				go func() { status <- p.post(strings.Join(packets, "\x1e")) }()
				for i := 0; i < len(packets); {
					for packet := range strings.SplitSeq(p.poll(), "\x1e") {
						if !strings.HasPrefix(packet, packets[i]) {
							t.Fatalf("answer %d is %.10q", i, packet)
						}
						i++
					}
				}
				if got := testkit.Receive(t, status, "answer"); got != http.StatusOK {
					t.Errorf("post: %d", got)
				}
			})
		}
	}
}

// TestBackpressureEnds: a reader that waits for its answers to leave is woken when the session ends.
func TestBackpressureEnds(t *testing.T) {
	a := newApp()
	asked := make(chan bool, 100)
	a.text = func(s *Session, data []byte) error {
		asked <- true
		return s.Reply(wire.Text(make([]byte, 200_000)))
	}
	s := start(t, conn.Config{OutboxBytes: 100 * kiB}, a)
	p := s.poller(t) // nobody polls: nothing leaves
	session := a.next(t)
	status := make(chan int, 1)
	go func() { status <- p.post("4\x1e4") }()
	testkit.Receive(t, asked, "message")
	testkit.Until(t, "answer in the outbox", func() bool {
		session.c.Lock()
		defer session.c.Unlock()
		_, any := session.c.QueuedLocked()
		return any
	})
	session.Close(conn.ReasonTransportClose)
	testkit.Receive(t, status, "answer")
	a.mustClose(t, conn.ReasonTransportClose)
	if len(asked) != 0 {
		t.Error("a message was delivered after the end")
	}
}
