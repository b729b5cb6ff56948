package client

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// serveRaw answers every connection with pieces, each in a write of its own, and closes it; it returns where.
func serveRaw(t *testing.T, pieces ...string) Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // the request; a client that is gone shows below
			for _, p := range pieces {
				if _, err := conn.Write([]byte(p)); err != nil {
					break
				}
			}
			conn.Close()
		}
	})
	t.Cleanup(func() { ln.Close(); served.Wait() })
	target, err := NewTarget("http://"+ln.Addr().String(), "/socket.io/")
	if err != nil {
		t.Fatal(err)
	}
	return target
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

func TestStreamData(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	tests := map[string]struct {
		pieces []string
		want   []string
	}{
		"one piece":           {[]string{streamHead + "data: a\n\ndata: b\n\n"}, []string{"a", "b"}},
		"cut anywhere":        {[]string{streamHead[:20], streamHead[20:] + "da", "ta: a", "\n\nevent: x\nda", "ta: b\n\n"}, []string{"a", "b"}},
		"comments and fields": {[]string{streamHead, ": keep-alive\n\nid: 7\nevent: message\ndata:{}\n\n"}, []string{"{}"}},
		"carriage returns":    {[]string{streamHead, "data: a\r\n\r\n"}, []string{"a"}},
		"longer than buffers": {[]string{streamHead, "data: " + long + "\n\n"}, []string{long}},
		"no end of line":      {[]string{streamHead, "data: a\n\ndata: b"}, []string{"a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			c, err := dialStream(t.Context(), serveRaw(t, tt.pieces...), StartClock(), Options{Door: Events},
				Callbacks{Event: func(_ int64, data []byte) { got = append(got, string(data)) }})
			if err != nil {
				t.Fatal(err)
			}
			c.Start()
			<-c.Done()
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("data = %.200q, want %.200q", got, tt.want)
			}
		})
	}
}

func TestStreamThatIsRefused(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]string{
		"401 Unauthorized": "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
		"chunked":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"EOF":              "HTTP/1.1 200 OK\r\nContent-",
	} {
		_, err := dialStream(t.Context(), serveRaw(t, answer), StartClock(), Options{Door: Events}, Callbacks{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("answer %q: %v, want an error with %s", answer, err, want)
		}
	}
}
