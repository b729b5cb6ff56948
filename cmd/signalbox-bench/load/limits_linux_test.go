package load

import (
	"context"
	"testing"

	"signalbox/cmd/signalbox-bench/bare"
)

// TestLimits starts the bare server as a process of its own and runs its scenarios.
func TestLimits(t *testing.T) {
	t.Parallel()
	results := mustLoad(t, small("http://127.0.0.1:1", "limits", "--strict", "--quiet", "10s"))
	if len(results) != 4 {
		t.Fatalf("%d results, want 4", len(results))
	}
	for _, r := range results {
		if !r.OK() || r.Units == 0 || r.CPUSeconds <= 0 || r.CPUPerUnit <= 0 {
			t.Errorf("%s: %+v", r.Scenario, r)
		}
	}
}

func TestBareServerTakesLongMessages(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- bare.Serve(ctx, 0, func(a string) { addr <- a }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	r := loadOne(t, small("http://"+<-addr, "pairs", "--payload", "20000", "--pairs-rate", "500", "--quiet", "10s"))
	if !r.OK() || r.Units != 100 {
		t.Errorf("result = %+v, want 100 messages, all well", r)
	}
}
