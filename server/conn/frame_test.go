package conn

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"signalbox/server/conn/testkit"
)

func TestParseHeaderNeedsAllBytes(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		whole := testkit.Frame(testkit.Binary, true, make([]byte, size))
		head := len(whole) - size
		for n := range head {
			if _, ok, err := parseHeader(whole[:n], 1<<20, false); ok || err != nil {
				t.Errorf("%d of %d bytes: ok %v, error %v", n, head, ok, err)
			}
		}
		h, ok, err := parseHeader(whole[:head], 1<<20, false)
		if !ok || err != nil || h.payload != size || h.size != head {
			t.Errorf("size %d: %+v %v %v", size, h, ok, err)
		}
	}
}

func TestUnmask(t *testing.T) {
	for size := range 100 {
		p := bytes.Repeat([]byte{0xa5}, size)
		want := make([]byte, size)
		for i := range p {
			want[i] = p[i] ^ []byte{1, 2, 3, 4}[i&3]
		}
		if unmask(p, 0x04030201); !bytes.Equal(p, want) {
			t.Fatalf("size %d: %x, want %x", size, p, want)
		}
	}
}

func TestCloseFrameText(t *testing.T) {
	long := strings.Repeat("\u00e9", 100)
	p := CloseFrame(4001, long).Parts()[0].Frame()[2:]
	if testkit.CodeOf(p) != 4001 || len(p) > maxControlBytes {
		t.Errorf("payload of %d bytes, code %d", len(p), testkit.CodeOf(p))
	}
	if _, err := parseClose(p); err != nil {
		t.Errorf("own close frame is invalid: %v", err)
	}
	if got := fmt.Sprintf("%x", CloseFrame(CloseNoCode, "ignored").Parts()[0].Frame()); got != "8800" {
		t.Errorf("close frame without a code is %s", got)
	}
}
