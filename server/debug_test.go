package server

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestDebugServer(t *testing.T) {
	cfg := localConfig()
	cfg.DebugAddr = "127.0.0.1:0"
	made := newTestServer(t, cfg, &fakeDoor{})
	made.debug.inside = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `{"rooms":12}`) })
	s := start(t, made)
	base := "http://" + s.DebugAddr().String()

	res, body := do(t, request(t, "GET", base+"/debug/counts?gc=1"))
	var counts map[string]int64
	if err := json.Unmarshal([]byte(body), &counts); err != nil || res.StatusCode != 200 {
		t.Fatalf("/debug/counts = %d %q: %v", res.StatusCode, body, err)
	}
	if counts["rooms"] != 12 {
		t.Errorf("/debug/counts = %v, want 12 rooms", counts)
	}
	if res, body := do(t, request(t, "GET", base+"/debug/pprof/goroutine?debug=1")); res.StatusCode != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("/debug/pprof/goroutine = %d, want a profile", res.StatusCode)
	}
	for host, want := range map[string]int{"localhost": 200, "[::1]:6060": 200, "evil.example": 403, "evil.example:6060": 403, "192.0.2.1": 403} {
		req := request(t, "GET", base+"/debug/counts")
		req.Host = host
		if res, _ := do(t, req); res.StatusCode != want {
			t.Errorf("/debug/counts at %s = %d, want %d", host, res.StatusCode, want)
		}
	}
	if res, _ := s.get(t, "/debug/counts"); res.StatusCode != 404 {
		t.Errorf("the public port answers /debug/counts with %d, want 404", res.StatusCode)
	}
	s.stop()
	<-s.done
	if c, err := net.Dial("tcp", s.DebugAddr().String()); err == nil {
		c.Close()
		t.Error("the debug listener outlived Run")
	}
}

func TestDebugAddrFault(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := localConfig()
	cfg.DebugAddr = taken.Addr().String()
	if s, err := newServer(cfg, quiet, "test", NewMetrics(), &fakeDoor{}); err == nil || !strings.Contains(err.Error(), "DEBUG_ADDR") {
		t.Errorf("newServer = %v, %v, want an error that names DEBUG_ADDR", s, err)
	}
}
