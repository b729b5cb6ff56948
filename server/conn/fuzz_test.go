package conn

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"unicode/utf8"

	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// FuzzFrames feeds a reader with bytes in two portions. It never panics, never returns a payload over the limit or text
// that is not UTF-8, and its errors carry a close code.
func FuzzFrames(f *testing.F) {
	for _, seed := range [][]byte{
		testkit.TextFrame("42"), testkit.TextFrame(""), testkit.Frame(testkit.Text, false, []byte("4")), testkit.Frame(testkit.Ping, true, []byte("x")),
		testkit.Frame(testkit.Close, true, []byte{3, 0xe8}), testkit.Frame(testkit.Binary, true, make([]byte, 300)), {0x81, 0x01, '4'},
		append(testkit.Frame(testkit.Text, false, []byte("4")), testkit.Frame(testkit.Continuation, true, []byte("2"))...),
		{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
	} {
		f.Add(seed, uint16(len(seed)/2))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		const limit = 256
		n := min(int(cut), len(data), readBytes)
		early := data[:n]
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go func() {
			ours.Write(data[n:])
			ours.Close()
		}()
		r := newReader(taken{nc: theirs, early: early}, limit)
		for {
			op, payload, ok, err := r.next()
			if err != nil {
				if fault := (*Fault)(nil); !errors.As(err, &fault) || fault.Code < 1000 {
					t.Fatalf("error %v without a close code", err)
				}
				return
			}
			if ok {
				if len(payload) > limit || (op == testkit.Text && !utf8.Valid(payload)) {
					t.Fatalf("%v of %d bytes", op, len(payload))
				}
				continue
			}
			if len(r.buf) > readBytes+limit+14 {
				t.Fatalf("a buffer of %d bytes", len(r.buf))
			}
			if r.fill() != nil {
				return
			}
		}
	})
}

// FuzzOutbox writes a queue in pieces of any size: every byte leaves once and in order.
func FuzzOutbox(f *testing.F) {
	f.Add([]byte{1, 50, 200, 3, 0, 255}, uint8(7), uint16(100))
	f.Fuzz(func(t *testing.T, sizes []byte, step uint8, scratch uint16) {
		var c cursor
		var want []byte
		for i, size := range sizes {
			b := wire.NewBuilder(int(size))
			b.Buf = append(b.Buf, bytes.Repeat([]byte{byte(i)}, int(size))...)
			m := b.Message([]byte{size}, nil)
			c.push(m)
			for _, p := range m.Parts() {
				want = append(want, p.Frame()...)
			}
		}
		buf := make([]byte, int(scratch)+1)
		var got []byte
		messages := 0
		for n := 1; c.head != nil; n = n*int(step|1)%997 + 1 {
			piece := c.gather(buf)
			if len(piece) == 0 {
				t.Fatal("nothing is gathered from a queue that is not empty")
			}
			piece = piece[:min(n, len(piece))]
			got = append(got, piece...)
			messages += c.advance(len(piece))
		}
		if !bytes.Equal(got, want) || messages != len(sizes) {
			t.Fatalf("%d bytes and %d messages left, want %d and %d", len(got), messages, len(want), len(sizes))
		}
	})
}
