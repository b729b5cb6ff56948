package machine

import (
	"testing"
	"time"
)

func TestParseMachineTimes(t *testing.T) {
	t.Parallel()
	busy, stolen, ok := parseBusyTimes("cpu  100 20 30 4000 500 6 7 80 0 0")
	if !ok || busy != 1630*time.Millisecond || stolen != 800*time.Millisecond {
		t.Errorf("parseMachineTimes = %v, %v, %v, want 1.63s, 800ms", busy, stolen, ok)
	}
	for _, broken := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 x 8"} {
		if _, _, ok := parseBusyTimes(broken); ok {
			t.Errorf("parseMachineTimes(%q) went well", broken)
		}
	}
	if _, _, ok := busyTimes(); !ok {
		t.Error("this machine's times cannot be read")
	}
}
