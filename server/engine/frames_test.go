package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// codeOf returns the code in the payload of a close frame: 0 for an empty payload, -1 for no frame.
func codeOf(payload []byte) int {
	switch {
	case payload == nil:
		return -1
	case len(payload) < 2:
		return 0
	default:
		return int(binary.BigEndian.Uint16(payload))
	}
}

// TestFrameRules sends what RFC 6455 forbids and checks the close code.
func TestFrameRules(t *testing.T) {
	huge := frame(opText, true, nil)[:2]
	huge[1] |= 127
	huge = append(huge, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	negative := append([]byte{}, huge...)
	negative[2] = 0xff
	tests := map[string]struct {
		send   []byte
		code   int
		reason Reason
	}{
		"unmasked":                       {[]byte{0x81, 0x01, '4'}, 1002, ReasonTransportError},
		"reserved bit 1":                 {[]byte{0xc1, 0x80, 0, 0, 0, 0}, 1002, ReasonTransportError},
		"reserved bit 3":                 {[]byte{0x91, 0x80, 0, 0, 0, 0}, 1002, ReasonTransportError},
		"reserved data opcode":           {frame(0x3, true, nil), 1002, ReasonTransportError},
		"reserved control opcode":        {frame(0xb, true, nil), 1002, ReasonTransportError},
		"fragmented ping":                {frame(opPing, false, nil), 1002, ReasonTransportError},
		"long ping":                      {frame(opPing, true, make([]byte, 126)), 1002, ReasonTransportError},
		"continuation of nothing":        {frame(opContinuation, true, nil), 1002, ReasonTransportError},
		"message inside a fragmented":    {append(frame(opText, false, []byte("4")), text("4")...), 1002, ReasonTransportError},
		"length of 2^63 - 1":             {huge, 1009, ReasonPayloadTooLarge},
		"length of 2^64 - 1":             {negative, 1002, ReasonTransportError},
		"over the limit, nothing behind": {frame(opBinary, true, make([]byte, 1001))[:8], 1009, ReasonPayloadTooLarge},
		"over the limit in fragments": {append(frame(opBinary, false, make([]byte, 600)),
			frame(opContinuation, true, make([]byte, 401))...), 1009, ReasonPayloadTooLarge},
		"too many empty fragments": {append(frame(opText, false, []byte("4")),
			bytes.Repeat(frame(opContinuation, false, nil), 100_000)...), 1009, ReasonPayloadTooLarge},
		"invalid UTF-8":              {frame(opText, true, []byte("4\xff")), 1007, ReasonTransportError},
		"UTF-8 cut short":            {frame(opText, true, []byte("4\xe2\x82")), 1007, ReasonTransportError},
		"surrogate":                  {frame(opText, true, []byte("4\xed\xa0\x80")), 1007, ReasonTransportError},
		"close with half a code":     {frame(opClose, true, []byte{3}), 1002, ReasonTransportError},
		"close with a reserved code": {frame(opClose, true, []byte{0x03, 0xed}), 1002, ReasonTransportError},
		"close with code 999":        {frame(opClose, true, []byte{0x03, 0xe7}), 1002, ReasonTransportError},
		"close with invalid text":    {frame(opClose, true, []byte{0x03, 0xe8, 0xff}), 1007, ReasonTransportError},
		"close":                      {frame(opClose, true, nil), 0, ReasonTransportClose},
		"close 1000":                 {frame(opClose, true, []byte{0x03, 0xe8, 'x'}), 1000, ReasonTransportClose},
		"close 4999":                 {frame(opClose, true, []byte{0x13, 0x87}), 4999, ReasonTransportClose},

		// Engine.IO. Wire line 5: a close frame without a code.
		"unknown packet":     {text("abc"), 0, ReasonParseError},
		"empty packet":       {text(""), 0, ReasonParseError},
		"ping from a client": {text("2"), 0, ReasonTransportError},
		"probe in a session": {text("2probe"), 0, ReasonTransportError},
		"close packet":       {text("1"), 0, ReasonTransportClose},
	}
	a := newApp()
	s := start(t, Config{MaxPayloadBytes: 1000}, a)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.rawWebSocket(t)
			go r.Write(test.send) // the server need not read all of it
			if got := codeOf(r.mustEnd()); got != test.code {
				t.Errorf("close code %d, want %d", got, test.code)
			}
			r.Close()
			a.mustClose(t, test.reason)
		})
	}
}

func TestWire19_WebSocketAtLimit(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{MaxPayloadBytes: 10_000}, a)
	for name, send := range map[string][]byte{
		"one frame": text("4" + strings.Repeat("x", 9_999)),
		"fragments": bytes.Join([][]byte{
			frame(opText, false, []byte("4")),
			frame(opContinuation, false, nil),
			frame(opPing, true, []byte("between")),
			frame(opContinuation, false, bytes.Repeat([]byte("x"), 5_000)),
			frame(opContinuation, true, bytes.Repeat([]byte("x"), 4_999)),
		}, nil),
		"a frame for each byte": bytes.Join([][]byte{
			frame(opText, false, []byte("4")),
			bytes.Repeat(frame(opContinuation, false, []byte("x")), 9_998),
			frame(opContinuation, true, []byte("x")),
		}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			r := s.rawWebSocket(t)
			r.send(send)
			for {
				op, payload := r.frame()
				if op == opPong {
					continue
				}
				if len(payload) != 10_000 {
					t.Errorf("echo has %d bytes", len(payload))
				}
				break
			}
		})
	}
}

// TestFramesInPieces sends the same frames in pieces of every size.
func TestFramesInPieces(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{}, a)
	var stream []byte
	var want []string
	for _, size := range []int{0, 1, 100, 125, 126, 300} {
		message := "4" + strings.Repeat("\u00e9", size)
		want = append(want, message)
		cut := len(message) / 2
		stream = append(stream, frame(opText, false, []byte(message[:cut]))...)
		stream = append(stream, frame(opContinuation, true, []byte(message[cut:]))...)
	}
	for _, piece := range []int{1, 2, 3, 7, 64, 1000, len(stream)} {
		r := s.rawWebSocket(t)
		go func() {
			for rest := stream; len(rest) > 0; {
				n := min(piece, len(rest))
				r.Write(rest[:n])
				rest = rest[n:]
			}
		}()
		for i := range want {
			if _, got := r.frame(); string(got) != want[i] {
				t.Fatalf("pieces of %d: message %d is %.40q", piece, i, got)
			}
		}
	}
}

// TestWire39_PongBehindTheHandshake sends packets in the same segment as the handshake.
func TestWire39_PongBehindTheHandshake(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{}, a)
	r := s.rawWebSocket(t, text("3"), frame(opPong, true, []byte("x")), text("4x"))
	if _, got := r.frame(); string(got) != "4x" {
		t.Errorf("got %q", got)
	}
}

func TestWire39_Floods(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{}, a)
	tests := map[string][]byte{
		"pong packets":    bytes.Repeat(text("3"), 50_000),
		"websocket pongs": bytes.Repeat(frame(opPong, true, nil), 50_000),
		"websocket pings": bytes.Repeat(frame(opPing, true, []byte("x")), 50_000),
		"noops":           bytes.Repeat(text("6"), 50_000),
	}
	for name, flood := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.rawWebSocket(t)
			go r.Write(append(flood, text("4end")...))
			pongs := 0
			for {
				op, got := r.frame()
				if op == opText && string(got) == "4end" {
					break
				}
				pongs++
			}
			if pongs > 5_000 {
				t.Errorf("%d pings were answered one by one", pongs)
			}
		})
	}
}

func TestWire38_HalfClosedIsNoticed(t *testing.T) {
	a := newApp()
	s := start(t, Config{}, a)
	r := s.rawWebSocket(t)
	if err := r.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	a.mustClose(t, ReasonTransportClose)
	r.mustEnd()
}

func TestWire38_ServerClosesAfterTheCloseHandshake(t *testing.T) {
	a := newApp()
	s := start(t, Config{CloseTimeout: time.Minute}, a)
	r := s.rawWebSocket(t)
	r.send(frame(opClose, true, []byte{0x03, 0xe8}))
	if op, got := r.frame(); op != opClose || codeOf(got) != 1000 {
		t.Errorf("close is answered by %v %x", op, got)
	}
	if _, _, err := readFrame(r.Reader); err == nil {
		t.Error("connection is open after the close handshake")
	}
	a.mustClose(t, ReasonTransportClose)
	until(t, "end", func() bool { return len(s.allLinks()) == 0 })
}

// TestRubbishBehindTheEnd breaks the rules of framing after the server's close frame: the client's own is lost in it, and
// the client waits for the server to end the connection.
func TestRubbishBehindTheEnd(t *testing.T) {
	a := newApp()
	s := start(t, Config{CloseTimeout: time.Minute}, a)
	r := s.rawWebSocket(t)
	r.send(text("unknown packet"))
	if op, got := r.frame(); op != opClose {
		t.Fatalf("got %v %q", op, got)
	}
	r.send(text("4\xff"), frame(opClose, true, nil))
	if _, _, err := readFrame(r.Reader); !errors.Is(err, io.EOF) {
		t.Errorf("connection is still open: %v", err)
	}
	a.mustClose(t, ReasonParseError)
}

// TestCloseIsNeverAnswered leaves the server's close frame unanswered: the close timeout ends the connection.
func TestCloseIsNeverAnswered(t *testing.T) {
	a := newApp()
	s := start(t, Config{CloseTimeout: 50 * time.Millisecond}, a)
	r := s.rawWebSocket(t)
	a.next(t).Close(ReasonForcedClose)
	a.mustClose(t, ReasonForcedClose)
	if op, _ := r.frame(); op != opClose {
		t.Fatalf("got %v", op)
	}
	if _, _, err := readFrame(r.Reader); err == nil {
		t.Error("connection is still open")
	}
}

func TestParseHeaderNeedsAllBytes(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		whole := frame(opBinary, true, make([]byte, size))
		head := len(whole) - size
		for n := range head {
			if _, ok, err := parseHeader(whole[:n], 1<<20); ok || err != nil {
				t.Errorf("%d of %d bytes: ok %v, error %v", n, head, ok, err)
			}
		}
		h, ok, err := parseHeader(whole[:head], 1<<20)
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
	p := closeFrame(4001, long).Parts()[0].Frame()[2:]
	if codeOf(p) != 4001 || len(p) > maxControlBytes {
		t.Errorf("payload of %d bytes, code %d", len(p), codeOf(p))
	}
	if _, err := parseClose(p); err != nil {
		t.Errorf("own close frame is invalid: %v", err)
	}
	if got := fmt.Sprintf("%x", closeFrame(closeNoCode, "ignored").Parts()[0].Frame()); got != "8800" {
		t.Errorf("close frame without a code is %s", got)
	}
}
