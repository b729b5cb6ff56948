package machine

import (
	"bytes"
	"os"
	"testing"
	"time"
)

func TestProcessOfOurOwn(t *testing.T) {
	t.Parallel()
	p, err := OpenProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; { // work, not sleep: it must show
		bytes.Repeat([]byte{1}, 1000)
	}
	after, err := p.CPU()
	if err != nil || after <= before {
		t.Errorf("CPU time went from %v to %v, %v", before, after, err)
	}
	if rss, err := p.RSS(); err != nil || rss < 1<<20 || rss > 1<<36 {
		t.Errorf("rss = %d, %v", rss, err)
	}
	if n, err := p.Descriptors(); err != nil || n < 3 {
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
