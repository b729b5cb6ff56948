package client

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestFramesAreReadByAnotherImplementation(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 8, 125, 126, 127, 65535, 65536, 70001} {
		payload := []byte(strings.Repeat("abcdefghijk", n/11+1)[:n])
		raw := appendFrame([]byte("before"), OpText, 0xA1B2C3D4, payload)
		f, err := ws.ReadFrame(bytes.NewReader(raw[len("before"):]))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if !f.Header.Masked || !f.Header.Fin || f.Header.OpCode != ws.OpText {
			t.Errorf("%d bytes: header %+v", n, f.Header)
		}
		if got := ws.UnmaskFrame(f).Payload; !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: payload differs", n)
		}
	}
}

func TestParseFrameInPieces(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		want := bytes.Repeat([]byte{'y'}, n)
		var out bytes.Buffer
		if err := ws.WriteFrame(&out, ws.NewTextFrame(want)); err != nil {
			t.Fatal(err)
		}
		raw := out.Bytes()
		for _, have := range []int{0, 1, 2, 3, 9, 10, len(raw) - 1} {
			if have >= len(raw) {
				continue
			}
			_, size, done, err := parseFrame(raw[:have])
			if done || err != nil || size <= have || size > len(raw) {
				t.Errorf("%d of %d bytes: done %v, size %d, %v", have, len(raw), done, size, err)
			}
		}
		f, size, done, err := parseFrame(append(raw, "next"...))
		if err != nil || !done || size != len(raw) || !f.fin || f.op != OpText || !bytes.Equal(f.payload, want) {
			t.Errorf("%d bytes: %v %d %v", n, done, size, err)
		}
	}
}

func TestParseFrameRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string][]byte{
		"masked by the server": {0x81, 0x80, 1, 2, 3, 4},
		"compressed":           {0xC1, 0x00},
		"endless":              {0x81, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0},
	}
	for name, raw := range tests {
		if _, _, _, err := parseFrame(raw); !errors.Is(err, errFrame) {
			t.Errorf("%s: err = %v, want %v", name, err, errFrame)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte{0x81, 0x02, '4', '2'})
	f.Add([]byte{0x81, 126, 0, 1, 'x'})
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		fr, size, done, err := parseFrame(raw)
		if err != nil {
			return
		}
		if done != (size <= len(raw)) {
			t.Errorf("done = %v with %d of %d bytes", done, len(raw), size)
		}
		if done && len(fr.payload) > size {
			t.Errorf("payload of %d bytes in a frame of %d", len(fr.payload), size)
		}
	})
}

func BenchmarkAppendFrame(b *testing.B) {
	payload := bytes.Repeat([]byte{'x'}, 128)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = appendFrame(out[:0], OpText, 0xA1B2C3D4, payload)
	}
}
