package conn

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// BenchmarkFlush is the sending side alone: queueing and writing to a socket that takes everything at once.
func BenchmarkFlush(b *testing.B) {
	s := New(Config{})
	open := make(chan *WebSocket, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if place, err := s.Reserve(w, r, 1); err == nil {
			place.WebSocket(WebSocketOptions{}, func(ws *WebSocket) Receiver { open <- ws; return Nobody{} })
		}
	}))
	defer web.Close()
	defer s.Shutdown(b.Context())
	r := testkit.DialRaw(b, web.Listener.Addr().String())
	r.Send([]byte(testkit.UpgradeRequest("/")))
	r.Head(http.StatusSwitchingProtocols)
	r.SetDeadline(time.Time{})
	c := &testkit.Receive(b, open, "websocket").c
	go io.Copy(io.Discard, r.Conn) // until the connection ends
	message := wire.Text([]byte("4" + string(make([]byte, 100))))
	w := newWriter()
	b.ReportAllocs()
	for b.Loop() {
		c.mu.Lock()
		for c.writing || c.queued {
			c.mu.Unlock()
			runtime.Gosched()
			c.mu.Lock()
		}
		c.queue.push(message)
		c.bytes += message.Size()
		c.writing = true
		c.takeLocked(&w.cursor)
		c.mu.Unlock()
		w.flush(c)
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, size := range []int{16, 125, 1024, 64 * kiB} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				unmask(p, 0x12345678)
			}
		})
	}
}
