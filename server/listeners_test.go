package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"signalbox/config"
)

// unixClient asks over a unix socket.
func unixClient(t *testing.T, path string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestSeveralListeners serves on each, and counts what they have together.
func TestSeveralListeners(t *testing.T) {
	cfg, path := localConfig(), filepath.Join(t.TempDir(), "s")
	if err := cfg.Listen.UnmarshalText([]byte("127.0.0.1:0,unix:" + path + ",127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	r := runServer(t, cfg, &fakeDoor{})
	addrs := r.Addrs()
	if len(addrs) != 3 || addrs[0].String() == addrs[2].String() {
		t.Fatalf("Addrs = %v", addrs)
	}
	held := unixClient(t, path)
	for range 2 { // on one connection
		res, err := held.Get("http://any/healthz")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "ok" {
			t.Errorf("by the unix socket: %d %q", res.StatusCode, body)
		}
	}
	for _, a := range []net.Addr{addrs[0], addrs[2]} {
		if res, body := do(t, request(t, "GET", "http://"+a.String()+"/healthz")); body != "ok" {
			t.Errorf("by %v: %d %q", a, res.StatusCode, body)
		}
	}
	if all, http, _ := r.listener.Open(); all < 1 || http < 1 {
		t.Errorf("%d connections are open, %d of HTTP: that of the unix socket is not counted", all, http)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run = %v", err)
	}
	for _, a := range addrs {
		if nc, err := net.Dial(a.Network(), a.String()); err == nil {
			nc.Close()
			t.Errorf("%v is open after Run", a)
		}
	}
}

// TestProxyProtocol: the client is who the header of a trusted proxy names, and nobody's X-Forwarded-For names another.
func TestProxyProtocol(t *testing.T) {
	for trusted, want := range map[string]string{"127.0.0.1": "203.0.113.9", "1": "203.0.113.9", "10.0.0.0/8": "400 Bad Request"} {
		cfg := localConfig()
		cfg.ProxyProtocol = true
		if err := cfg.TrustedProxies.UnmarshalText([]byte(trusted)); err != nil {
			t.Fatal(err)
		}
		ip := clientIP(proxiesOf(cfg))
		r := runServer(t, cfg, &fakeDoor{serve: func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, ip(r)) }})
		nc, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\nGET /socket.io/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := string(body); got != want {
			t.Errorf("TRUSTED_PROXIES=%s: the client is %q, want %q", trusted, got, want)
		}
	}
	if _, err := config.Load(func(name string) string { return map[string]string{"PROXY_PROTOCOL": "true"}[name] }); err == nil {
		t.Error("PROXY_PROTOCOL without TRUSTED_PROXIES is taken")
	}
}
