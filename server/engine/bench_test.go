package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// BenchmarkEcho is one message there and back over a real socket.
func BenchmarkEcho(b *testing.B) {
	a := newApp()
	answer := wire.Text([]byte("4" + string(make([]byte, 60))))
	a.text = func(s *Session, data []byte) error { return s.Reply(answer) }
	s := start(b, conn.Config{}, a)
	r := s.rawWebSocket(b)
	r.SetDeadline(time.Time{})
	message := testkit.TextFrame("4" + string(make([]byte, 60)))
	got := make([]byte, answer.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Conn.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r.Reader, got); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInbound is a stream of small messages to one receiver.
func BenchmarkInbound(b *testing.B) {
	var count atomic.Int64
	a := newApp()
	a.text = func(s *Session, data []byte) error { count.Add(1); return nil }
	s := start(b, conn.Config{}, a)
	r := s.rawWebSocket(b)
	r.SetDeadline(time.Time{})
	const burst = 50
	messages := bytes.Repeat(testkit.TextFrame("4"+string(make([]byte, 60))), burst)
	b.ReportAllocs()
	sent := int64(0)
	for b.Loop() {
		if sent%burst == 0 {
			if _, err := r.Conn.Write(messages); err != nil {
				b.Fatal(err)
			}
		}
		sent++
	}
	for count.Load() < sent {
		runtime.Gosched()
	}
}

// audience are sessions whose clients read and forget.
type audience struct {
	sessions []*Session
	read     atomic.Int64
	want     atomic.Int64
	reached  chan struct{}
}

func newAudience(b testing.TB, s *site, a *app, n int) *audience {
	crowd := &audience{reached: make(chan struct{}, 1)}
	for range n {
		crowd.admit(b, a, s.rawWebSocket(b))
	}
	return crowd
}

// admit takes a client in, whose session has just been opened.
func (c *audience) admit(b testing.TB, a *app, r *testkit.Raw) {
	r.SetDeadline(time.Time{})
	c.sessions = append(c.sessions, a.next(b))
	go c.listen(r.Conn)
}

func (c *audience) listen(nc net.Conn) {
	buf := make([]byte, 16*kiB)
	for {
		n, err := nc.Read(buf)
		if c.read.Add(int64(n)) == c.want.Load() {
			select {
			case c.reached <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// expect makes wait wait until the clients have read n bytes more. It is called before they are sent.
func (c *audience) expect(n int) { c.want.Add(int64(n)) }

func (c *audience) wait() {
	for c.read.Load() < c.want.Load() {
		<-c.reached
	}
}

// BenchmarkFanout is one message to many receivers over real sockets, with the reading clients in the same process.
// burst tells how many messages are sent without a pause.
func BenchmarkFanout(b *testing.B) {
	for _, receivers := range []int{1, 100, 500} {
		for _, burst := range []int{1, 20} {
			b.Run(fmt.Sprintf("receivers=%d/burst=%d", receivers, burst), func(b *testing.B) {
				a := newApp()
				crowd := newAudience(b, start(b, conn.Config{}, a), a, receivers)
				message := wire.Text([]byte("4" + string(make([]byte, 100))))
				b.ReportAllocs()
				for b.Loop() {
					crowd.expect(message.Size() * receivers * burst)
					for range burst {
						for _, session := range crowd.sessions {
							session.Send(message)
						}
					}
					crowd.wait()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*receivers*burst), "ns/delivery")
			})
		}
	}
}

func BenchmarkPayload(b *testing.B) {
	body := bytes.Repeat([]byte("42[\"message\",{\"text\":\"hello\"}]\x1e"), 20)
	body = body[:len(body)-1]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := newPayload(body)
		if err != nil {
			b.Fatal(err)
		}
		for ok := true; ok; {
			_, _, ok, _ = p.next()
		}
	}
}

// TestIdleMemory measures what an idle websocket session costs: heap and stack of the engine and of net, the clients not
// counted. Each has handled a message. The bounds leave room for what varies between runs. One that has agreed to
// compression, and had a compressed message, costs no more.
func TestIdleMemory(t *testing.T) {
	request := upgradeRequest("EIO=4&transport=websocket")
	message := strings.Repeat("connect", 50)
	t.Run("plain", func(t *testing.T) { idleMemory(t, []byte(request), testkit.TextFrame("4"+message)) })
	t.Run("deflate", func(t *testing.T) {
		packed := testkit.Frame(testkit.Text|testkit.RSV1, true, testkit.Deflated([]byte("4"+message)))
		idleMemory(t, []byte(testkit.Offering(request, "permessage-deflate")), packed)
	})
}

func idleMemory(t *testing.T, request, message []byte) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	const n = 2000
	a := newApp().echo()
	s := start(t, conn.Config{CompressBytes: 100}, a)
	conns := make([]net.Conn, 0, n)
	var buf [512]byte
	before := memory()
	for range n {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
		for _, send := range [][]byte{request, message} {
			nc.Write(send)
			if _, err := nc.Read(buf[:]); err != nil {
				t.Fatal(err)
			}
		}
		a.next(t)
	}
	after := memory()
	var wg sync.WaitGroup
	for _, nc := range conns {
		wg.Go(func() { nc.Close() })
	}
	wg.Wait()
	heap := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	stack := (int64(after.StackInuse) - int64(before.StackInuse)) / n
	t.Logf("an idle session takes %d bytes of heap, its client's net.Conn included, and %d of stack", heap, stack)
	if heap > 2300 || stack > 3000 {
		t.Errorf("heap %d and stack %d bytes for each session", heap, stack)
	}
}

func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
