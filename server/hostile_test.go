package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"signalbox/config"
)

// TestOddRequests sends request lines that no good client sends. Each gets an answer, and the next client does not notice.
func TestOddRequests(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{})
	for name, tt := range map[string]struct {
		line string
		want string
	}{
		"path with dots":             {"GET /socket.io/../metrics HTTP/1.1", "200"}, // the door's, which knows no such session
		"path with encoded dots":     {"GET /socket.io/%2e%2e/metrics HTTP/1.1", "200"},
		"path out of the root":       {"GET /../../etc/passwd HTTP/1.1", "404"},
		"encoded slash":              {"GET /socket.io%2fx HTTP/1.1", "404"},
		"zero byte":                  {"GET /%00 HTTP/1.1", "404"},
		"bytes that are no text":     {"GET /%ff%fe HTTP/1.1", "404"},
		"broken escape":              {"GET /%zz HTTP/1.1", "400"},
		"absolute address":           {"GET http://elsewhere.example/time HTTP/1.1", "200"},
		"a tunnel":                   {"CONNECT elsewhere.example:443 HTTP/1.1", "404"},
		"a star":                     {"GET * HTTP/1.1", "404"},
		"options of everything":      {"OPTIONS * HTTP/1.1", "200"},
		"no such version":            {"GET / HTTP/9.9", "505"},
		"no version":                 {"GET /", "400"},
		"version 2 without asking":   {"PRI * HTTP/2.0", "404"},
		"version 1.0":                {"GET /healthz HTTP/1.0", "200"},
		"header without a colon":     {"GET / HTTP/1.1\r\nbroken", "400"},
		"two lengths":                {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", "400"},
		"length and chunks":          {"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "404"},
		"negative length":            {"POST / HTTP/1.1\r\nContent-Length: -1", "400"},
		"long query":                 {"GET /time?" + strings.Repeat("x", 8000) + " HTTP/1.1", "200"},
		"client file in a folder":    {"GET /socket.io/x/socket.io.js HTTP/1.1", "200"},
		"origin that is not one":     {"GET / HTTP/1.1\r\nOrigin: \x01\x02", "400"},
		"a thousand forwarded lines": {"GET / HTTP/1.1" + strings.Repeat("\r\nX-Forwarded-For: ,,,", 500), "200"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, tt.line+"\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			status, err := bufio.NewReader(conn).ReadString('\n')
			if fields := strings.Fields(status); err != nil || len(fields) < 2 || fields[1] != tt.want {
				t.Errorf("%.80q was answered with %q, %v, want %s", tt.line, status, err, tt.want)
			}
			if res, _ := s.get(t, "/healthz"); res.StatusCode != http.StatusOK {
				t.Errorf("/healthz afterwards = %d", res.StatusCode)
			}
		})
	}
}

// TestAnswersThatNobodyReads sends requests, one behind the other, and reads none of the answers. The write timeout ends
// the connection.
func TestAnswersThatNobodyReads(t *testing.T) {
	cfg := localConfig()
	cfg.WriteTimeout = 50 * time.Millisecond
	s := runServer(t, cfg, &fakeDoor{serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 64<<10)) // what lies between is full the sooner
	}})
	for _, path := range []string{"/time", "/metrics", "/nowhere", "/socket.io/?EIO=4&transport=polling"} {
		t.Run(path, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			requests := []byte(strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", 1000))
			for err == nil {
				_, err = conn.Write(requests)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection was not closed")
			}
		})
	}
	if res, _ := s.get(t, "/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("/healthz afterwards = %d", res.StatusCode)
	}
}

func FuzzClientIP(f *testing.F) {
	f.Add("203.0.113.9", "1.1.1.1, [2001:db8::1]:80", uint8(1))
	f.Add(", ,", "unknown", uint8(2))
	f.Add("::ffff:1.2.3.4%eth0", "", uint8(0))
	f.Fuzz(func(t *testing.T, first, second string, hops uint8) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:5000"
		r.Header["X-Forwarded-For"] = []string{first, second}
		trusted := config.Proxies{Hops: int(hops % 17)}
		if hops%2 == 0 {
			trusted = config.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		}
		got := clientIP(trusted)(r)
		if addr, err := netip.ParseAddr(got); err != nil || addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("client of X-Forwarded-For %q = %q, want an address in its plain form", r.Header["X-Forwarded-For"], got)
		}
	})
}
