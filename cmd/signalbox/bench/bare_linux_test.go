package bench

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"
)

// TestLimits starts the bare server as a process of its own and runs its scenarios.
func TestLimits(t *testing.T) {
	t.Parallel()
	results := mustLoad(t, small("http://127.0.0.1:1", "limits", "--strict", "--quiet", "10s"))
	if len(results) != 4 {
		t.Fatalf("%d results, want 4", len(results))
	}
	for _, r := range results {
		if !r.ok() || r.Units == 0 || r.CPUSeconds <= 0 || r.CPUPerUnit <= 0 {
			t.Errorf("%s: %+v", r.Scenario, r)
		}
	}
}

func TestBareServerTakesLongMessages(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- serveBare(ctx, 0, func(a string) { addr <- a }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	r := loadOne(t, small("http://"+<-addr, "pairs", "--payload", "20000", "--pairs-rate", "500", "--quiet", "10s"))
	if !r.ok() || r.Units != 100 {
		t.Errorf("result = %+v, want 100 messages, all well", r)
	}
}

func TestProcessOfOurOwn(t *testing.T) {
	t.Parallel()
	p, err := openProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before, err := p.cpu()
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; { // work, not sleep: it must show
		bytes.Repeat([]byte{1}, 1000)
	}
	after, err := p.cpu()
	if err != nil || after <= before {
		t.Errorf("CPU time went from %v to %v, %v", before, after, err)
	}
	if rss, err := p.rss(); err != nil || rss < 1<<20 || rss > 1<<36 {
		t.Errorf("rss = %d, %v", rss, err)
	}
	if n, err := p.descriptors(); err != nil || n < 3 {
		t.Errorf("descriptors = %d, %v", n, err)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const line = "4242 (a (strange) name) S 1 4242 4242 0 -1 4194304 100 0 0 0 150 50 7 7 20 0 11 0 1 2 3"
	if got, err := parseStat([]byte(line)); err != nil || got != 2*time.Second {
		t.Errorf("parseStat = %v, %v, want 2s", got, err)
	}
	for _, broken := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S 1 2 3 4 5 6 7 8 9 10 a b c"} {
		if got, err := parseStat([]byte(broken)); err == nil {
			t.Errorf("parseStat(%q) = %v, want an error", broken, got)
		}
	}
}

func TestParseMachineTimes(t *testing.T) {
	t.Parallel()
	busy, stolen, ok := parseMachineTimes("cpu  100 20 30 4000 500 6 7 80 0 0")
	if !ok || busy != 1630*time.Millisecond || stolen != 800*time.Millisecond {
		t.Errorf("parseMachineTimes = %v, %v, %v, want 1.63s, 800ms", busy, stolen, ok)
	}
	for _, broken := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 x 8"} {
		if _, _, ok := parseMachineTimes(broken); ok {
			t.Errorf("parseMachineTimes(%q) went well", broken)
		}
	}
	if _, _, ok := machineTimes(); !ok {
		t.Error("this machine's times cannot be read")
	}
}
