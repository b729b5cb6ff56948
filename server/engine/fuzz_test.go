package engine

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"signalbox/server/wire"
)

// FuzzFrames feeds a reader with bytes in two portions. It never panics, never returns a payload over the limit or text
// that is not UTF-8, and its errors carry a close code.
func FuzzFrames(f *testing.F) {
	for _, seed := range [][]byte{
		text("42"), text(""), frame(opText, false, []byte("4")), frame(opPing, true, []byte("x")),
		frame(opClose, true, []byte{3, 0xe8}), frame(opBinary, true, make([]byte, 300)), {0x81, 0x01, '4'},
		append(frame(opText, false, []byte("4")), frame(opContinuation, true, []byte("2"))...),
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
		r := newReader(theirs, limit, early)
		for {
			op, payload, ok, err := r.next()
			if err != nil {
				if fault := (*frameError)(nil); !errors.As(err, &fault) || fault.code < 1000 {
					t.Fatalf("error %v without a close code", err)
				}
				return
			}
			if ok {
				if len(payload) > limit || (op == opText && !utf8.Valid(payload)) {
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

// FuzzPayload: decoding never panics, and what was decoded, encoded and decoded again is the same.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{"4hello", "4a\x1e4b", "bAQIDBA==", "bAQIDBA", "", "\x1e", "4\x1e", "2", "b", "b=", "4\xff", "6\x1e1", "bAQID\r\nBA==\n"} {
		f.Add([]byte(seed))
	}
	type packet struct {
		data   string
		binary bool
	}
	decode := func(body []byte) (packets []packet, err error) {
		p, err := newPayload(bytes.Clone(body))
		if err != nil {
			return nil, err
		}
		for {
			data, binary, ok, err := p.next()
			if err != nil || !ok {
				return packets, err
			}
			packets = append(packets, packet{string(data), binary})
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		packets, err := decode(body)
		if err != nil {
			return
		}
		var again []byte
		for i, p := range packets {
			judge([]byte(p.data))
			m := wire.Text([]byte(p.data))
			if p.binary {
				m = wire.Binary([]byte(p.data))
			}
			if i > 0 && len(again) == 0 {
				return // an empty first packet, which is not one, has no encoded form
			}
			again = appendMessage(again, m)
		}
		second, err := decode(again)
		if err != nil || len(second) != len(packets) {
			t.Fatalf("%q became %q: %v", body, again, err)
		}
		for i := range packets {
			if packets[i] != second[i] {
				t.Fatalf("packet %d of %q became %q", i, body, second[i].data)
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
			m := withAttachments(bytes.Repeat([]byte{byte(i)}, int(size)), [][]byte{{size}, nil})
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

func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=0.5, br;q=0, *")
	f.Add(";;;,,,q=")
	f.Fuzz(func(t *testing.T, accept string) {
		// A coding that is not named, with no * either, is never used.
		if CodingWeight([]string{accept}, "br") != 0 && !strings.Contains(strings.ToLower(accept), "br") && !strings.Contains(accept, "*") {
			t.Errorf("CodingWeight(%q, br) is not 0, which does not name it", accept)
		}
	})
}
