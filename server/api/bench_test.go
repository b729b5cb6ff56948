package api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"signalbox/server/hub"
)

const benchMessage = `{"type":"order","data":{"id":12345,"state":"shipped","lines":[{"sku":"a-1","count":2}]}}`

// BenchmarkPublishHandler is the cost of one publish without HTTP.
func BenchmarkPublishHandler(b *testing.B) {
	a := newTestAPI(&fake{publish: func(string, []byte) (int, error) { return 1, nil }})
	body := bytes.NewReader([]byte(benchMessage))
	r := httptest.NewRequest("POST", "/api/publish/user:42", nil)
	r.Header.Set("X-Api-Key", testKey)
	r.Body = io.NopCloser(body)
	r.ContentLength = int64(len(benchMessage))
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	b.SetBytes(int64(len(benchMessage)))
	for b.Loop() {
		body.Reset([]byte(benchMessage))
		clear(w.header)
		a.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
}

// BenchmarkEmitHandler is the cost of one emit to a user without HTTP.
func BenchmarkEmitHandler(b *testing.B) {
	a := newTestAPI(&fake{emit: func(hub.Selection, *hub.Message) int { return 1 }})
	message := []byte(`{"users":[42],"event":"order","args":[{"id":12345,"state":"shipped"}]}`)
	body := bytes.NewReader(message)
	r := httptest.NewRequest("POST", "/api/emit", nil)
	r.Header.Set("X-Api-Key", testKey)
	r.Body = io.NopCloser(body)
	r.ContentLength = int64(len(message))
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(message)
		clear(w.header)
		a.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
}

// discard is a response nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkPublishKeepAlive is publishes one after the other over connections of the loopback interface that are kept,
// client included: the client writes requests made in advance and looks for the end of each answer.
func BenchmarkPublishKeepAlive(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			web := httptest.NewServer(newTestAPI(&fake{publish: func(string, []byte) (int, error) { return 1, nil }}))
			defer web.Close()
			request := fmt.Sprintf("POST /api/publish/user:42 HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				testKey, len(benchMessage), benchMessage)
			b.SetParallelism(clients)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				conn, err := net.Dial("tcp", web.Listener.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				buf := make([]byte, 4096)
				for pb.Next() {
					if _, err := io.WriteString(conn, request); err != nil {
						b.Error(err)
						return
					}
					n, err := conn.Read(buf) // an answer is one write, and fits
					if err != nil || !bytes.HasSuffix(buf[:n], []byte(`{"ok":true,"delivered":1}`)) {
						b.Errorf("answer %q, %v", buf[:n], err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
		})
	}
}
