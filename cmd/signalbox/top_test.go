package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestBusiest finds the client that floods among those that are quiet, by its user and its id.
func TestBusiest(t *testing.T) {
	debug := freePorts(t, 1)[0]
	p := startProcess(t, "DEBUG_ADDR="+debug)
	for range 3 {
		p.sio(t) // quiet
	}
	flood := p.sio(t)
	flood.join(42)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() { // awaited below
		defer close(ended)
		for ctx.Err() == nil && flood.ws.Write(ctx, websocket.MessageText, []byte(`42["time"]`)) == nil {
			time.Sleep(time.Millisecond) // a pace, not a wait
		}
	}()
	status, body := get(t, "http://"+debug+"/debug/clients?for=300ms&n=10")
	stop()
	<-ended
	var loads []struct {
		Client, User, Addr string
		PacketsPerSecond   float64
	}
	if err := json.Unmarshal([]byte(body), &loads); err != nil || status != 200 {
		t.Fatalf("/debug/clients = %d %q, %v", status, body, err)
	}
	if len(loads) != 1 || loads[0].PacketsPerSecond < 5 || loads[0].Addr != "127.0.0.1" || loads[0].Client == "" || loads[0].User != "42" {
		t.Errorf("the busiest are %s, want the one that floods, user 42", body)
	}
	for _, query := range []string{"n=0", "n=x", "for=2m", "for=-1s"} {
		if status, _ := get(t, "http://"+debug+"/debug/clients?"+query); status != 400 {
			t.Errorf("/debug/clients?%s = %d, want 400", query, status)
		}
	}
	if !strings.HasPrefix(body, "[") {
		t.Errorf("the answer is no list: %s", body)
	}
}
