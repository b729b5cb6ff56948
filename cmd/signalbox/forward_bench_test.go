package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"signalbox/config"
	"signalbox/server"
	"signalbox/store/redis/redistest"
)

// BenchmarkPoll is a client that polls two servers on one Redis: a post with an event, and the poll that brings its
// answer. here: at the server of its session; elsewhere: at the other one, which passes both on. An operation is one
// request. cpu-us is the time of all processors for it: of both servers, and of the client, which is a few lines here.
func BenchmarkPoll(b *testing.B) {
	url := redistest.Start(b).URL()
	var servers []*server.Server
	for range 2 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		cfg := config.Default()
		cfg.Host, cfg.Port = "127.0.0.1", free.Addr().(*net.TCPAddr).Port
		cfg.RedisURL, cfg.NodeURL = config.Secret(url), config.NodeURL("http://"+free.Addr().String())
		cfg.DrainSpread, cfg.HandoverGrace = 0, 0
		free.Close()
		cfg, _ = withSecret(cfg)
		srv, err := build(cfg, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer runToEnd(b, srv.Run)()
		servers = append(servers, srv)
	}
	begin := polling{b, dialTCP(b, servers[0].Addr().String())}
	sid := begin.ask("GET", "", "")[len(`0{"sid":"`):][:20]
	begin.ask("POST", sid, "40")
	begin.ask("GET", sid, "")
	for i, where := range []string{"here", "elsewhere"} {
		b.Run(where, func(b *testing.B) {
			client := polling{b, dialTCP(b, servers[i].Addr().String())}
			text := `421["ping",{"text":"` + strings.Repeat("x", 100) + `"}]`
			before := processorTime(b)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n++; n%2 == 1 {
					client.ask("POST", sid, text)
				} else if got := client.ask("GET", sid, ""); !strings.HasPrefix(got, "431[") && got != "2" {
					b.Fatalf("the poll is answered with %s", got)
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/1e3/float64(n), "cpu-us/op")
			if n%2 == 1 {
				client.ask("GET", sid, "")
			}
		})
	}
}

func dialTCP(b *testing.B, addr string) *bufio.ReadWriter {
	b.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc))
}

// polling is a client that speaks over one connection.
type polling struct {
	b *testing.B
	*bufio.ReadWriter
}

func (p polling) ask(method, sid, body string) string {
	p.b.Helper()
	fmt.Fprintf(p, "%s /socket.io/?EIO=4&transport=polling", method)
	if sid != "" {
		p.WriteString("&sid=" + sid)
	}
	p.WriteString(" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Language: en\r\nOrigin: http://localhost\r\n")
	if method == "POST" {
		fmt.Fprintf(p, "Content-Type: text/plain\r\nContent-Length: %d\r\n", len(body))
	}
	p.WriteString("\r\n" + body)
	if err := p.Flush(); err != nil {
		p.b.Fatal(err)
	}
	res, err := http.ReadResponse(p.Reader, nil)
	if err != nil {
		p.b.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		p.b.Fatal(res.Status, string(answer), err)
	}
	return string(answer)
}

// processorTime is what this process has taken of all processors, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
