package engine

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
)

// TestFrameRules sends what RFC 6455 forbids and checks the close code.
func TestFrameRules(t *testing.T) {
	huge := testkit.Frame(testkit.Text, true, nil)[:2]
	huge[1] |= 127
	huge = append(huge, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	negative := append([]byte{}, huge...)
	negative[2] = 0xff
	tests := map[string]struct {
		send   []byte
		code   int
		reason conn.Reason
	}{
		"unmasked":                       {[]byte{0x81, 0x01, '4'}, 1002, conn.ReasonTransportError},
		"reserved bit 1":                 {[]byte{0xc1, 0x80, 0, 0, 0, 0}, 1002, conn.ReasonTransportError},
		"reserved bit 3":                 {[]byte{0x91, 0x80, 0, 0, 0, 0}, 1002, conn.ReasonTransportError},
		"reserved data opcode":           {testkit.Frame(0x3, true, nil), 1002, conn.ReasonTransportError},
		"reserved control opcode":        {testkit.Frame(0xb, true, nil), 1002, conn.ReasonTransportError},
		"fragmented ping":                {testkit.Frame(testkit.Ping, false, nil), 1002, conn.ReasonTransportError},
		"long ping":                      {testkit.Frame(testkit.Ping, true, make([]byte, 126)), 1002, conn.ReasonTransportError},
		"continuation of nothing":        {testkit.Frame(testkit.Continuation, true, nil), 1002, conn.ReasonTransportError},
		"message inside a fragmented":    {append(testkit.Frame(testkit.Text, false, []byte("4")), testkit.TextFrame("4")...), 1002, conn.ReasonTransportError},
		"length of 2^63 - 1":             {huge, 1009, conn.ReasonPayloadTooLarge},
		"length of 2^64 - 1":             {negative, 1002, conn.ReasonTransportError},
		"over the limit, nothing behind": {testkit.Frame(testkit.Binary, true, make([]byte, 1001))[:8], 1009, conn.ReasonPayloadTooLarge},
		"over the limit in fragments": {append(testkit.Frame(testkit.Binary, false, make([]byte, 600)),
			testkit.Frame(testkit.Continuation, true, make([]byte, 401))...), 1009, conn.ReasonPayloadTooLarge},
		"too many empty fragments": {append(testkit.Frame(testkit.Text, false, []byte("4")),
			bytes.Repeat(testkit.Frame(testkit.Continuation, false, nil), 100_000)...), 1009, conn.ReasonPayloadTooLarge},
		"invalid UTF-8":              {testkit.Frame(testkit.Text, true, []byte("4\xff")), 1007, conn.ReasonTransportError},
		"UTF-8 cut short":            {testkit.Frame(testkit.Text, true, []byte("4\xe2\x82")), 1007, conn.ReasonTransportError},
		"surrogate":                  {testkit.Frame(testkit.Text, true, []byte("4\xed\xa0\x80")), 1007, conn.ReasonTransportError},
		"close with half a code":     {testkit.Frame(testkit.Close, true, []byte{3}), 1002, conn.ReasonTransportError},
		"close with a reserved code": {testkit.Frame(testkit.Close, true, []byte{0x03, 0xed}), 1002, conn.ReasonTransportError},
		"close with code 999":        {testkit.Frame(testkit.Close, true, []byte{0x03, 0xe7}), 1002, conn.ReasonTransportError},
		"close with invalid text":    {testkit.Frame(testkit.Close, true, []byte{0x03, 0xe8, 0xff}), 1007, conn.ReasonTransportError},
		"close":                      {testkit.Frame(testkit.Close, true, nil), 0, conn.ReasonTransportClose},
		"close 1000":                 {testkit.Frame(testkit.Close, true, []byte{0x03, 0xe8, 'x'}), 1000, conn.ReasonTransportClose},
		"close 4999":                 {testkit.Frame(testkit.Close, true, []byte{0x13, 0x87}), 4999, conn.ReasonTransportClose},

		// Engine.IO. Wire line 5: a close frame without a code.
		"unknown packet":     {testkit.TextFrame("abc"), 0, conn.ReasonParseError},
		"empty packet":       {testkit.TextFrame(""), 0, conn.ReasonParseError},
		"ping from a client": {testkit.TextFrame("2"), 0, conn.ReasonTransportError},
		"probe in a session": {testkit.TextFrame("2probe"), 0, conn.ReasonTransportError},
		"close packet":       {testkit.TextFrame("1"), 0, conn.ReasonTransportClose},
	}
	a := newApp()
	s := start(t, conn.Config{MaxPayloadBytes: 1000}, a)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.rawWebSocket(t)
			go r.Write(test.send) // the server need not read all of it
			if got := testkit.CodeOf(r.MustEnd()); got != test.code {
				t.Errorf("close code %d, want %d", got, test.code)
			}
			r.Close()
			a.mustClose(t, test.reason)
		})
	}
}

func TestWire19_WebSocketAtLimit(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{MaxPayloadBytes: 10_000}, a)
	for name, send := range map[string][]byte{
		"one frame": testkit.TextFrame("4" + strings.Repeat("x", 9_999)),
		"fragments": bytes.Join([][]byte{
			testkit.Frame(testkit.Text, false, []byte("4")),
			testkit.Frame(testkit.Continuation, false, nil),
			testkit.Frame(testkit.Ping, true, []byte("between")),
			testkit.Frame(testkit.Continuation, false, bytes.Repeat([]byte("x"), 5_000)),
			testkit.Frame(testkit.Continuation, true, bytes.Repeat([]byte("x"), 4_999)),
		}, nil),
		"a frame for each byte": bytes.Join([][]byte{
			testkit.Frame(testkit.Text, false, []byte("4")),
			bytes.Repeat(testkit.Frame(testkit.Continuation, false, []byte("x")), 9_998),
			testkit.Frame(testkit.Continuation, true, []byte("x")),
		}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			r := s.rawWebSocket(t)
			r.Send(send)
			for {
				op, payload := r.Frame()
				if op == testkit.Pong {
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
	s := start(t, conn.Config{}, a)
	var stream []byte
	var want []string
	for _, size := range []int{0, 1, 100, 125, 126, 300} {
		message := "4" + strings.Repeat("\u00e9", size)
		want = append(want, message)
		cut := len(message) / 2
		stream = append(stream, testkit.Frame(testkit.Text, false, []byte(message[:cut]))...)
		stream = append(stream, testkit.Frame(testkit.Continuation, true, []byte(message[cut:]))...)
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
			if _, got := r.Frame(); string(got) != want[i] {
				t.Fatalf("pieces of %d: message %d is %.40q", piece, i, got)
			}
		}
	}
}

// TestWire39_PongBehindTheHandshake sends packets in the same segment as the handshake.
func TestWire39_PongBehindTheHandshake(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a)
	r := s.rawWebSocket(t, testkit.TextFrame("3"), testkit.Frame(testkit.Pong, true, []byte("x")), testkit.TextFrame("4x"))
	if _, got := r.Frame(); string(got) != "4x" {
		t.Errorf("got %q", got)
	}
}

func TestWire39_Floods(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a)
	tests := map[string][]byte{
		"pong packets":    bytes.Repeat(testkit.TextFrame("3"), 50_000),
		"websocket pongs": bytes.Repeat(testkit.Frame(testkit.Pong, true, nil), 50_000),
		"websocket pings": bytes.Repeat(testkit.Frame(testkit.Ping, true, []byte("x")), 50_000),
		"noops":           bytes.Repeat(testkit.TextFrame("6"), 50_000),
	}
	for name, flood := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.rawWebSocket(t)
			go r.Write(append(flood, testkit.TextFrame("4end")...))
			pongs := 0
			for {
				op, got := r.Frame()
				if op == testkit.Text && string(got) == "4end" {
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
	s := start(t, conn.Config{}, a)
	r := s.rawWebSocket(t)
	if err := r.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	a.mustClose(t, conn.ReasonTransportClose)
	r.MustEnd()
}

func TestWire38_ServerClosesAfterTheCloseHandshake(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{CloseTimeout: time.Minute}, a)
	r := s.rawWebSocket(t)
	r.Send(testkit.Frame(testkit.Close, true, []byte{0x03, 0xe8}))
	if op, got := r.Frame(); op != testkit.Close || testkit.CodeOf(got) != 1000 {
		t.Errorf("close is answered by %v %x", op, got)
	}
	if _, _, err := testkit.ReadFrame(r.Reader); err == nil {
		t.Error("connection is open after the close handshake")
	}
	a.mustClose(t, conn.ReasonTransportClose)
	testkit.Until(t, "end", func() bool { return len(s.all()) == 0 })
}

// TestRubbishBehindTheEnd breaks the rules of framing after the server's close frame: the client's own is lost in it, and
// the client waits for the server to end the connection.
func TestRubbishBehindTheEnd(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{CloseTimeout: time.Minute}, a)
	r := s.rawWebSocket(t)
	r.Send(testkit.TextFrame("unknown packet"))
	if op, got := r.Frame(); op != testkit.Close {
		t.Fatalf("got %v %q", op, got)
	}
	r.Send(testkit.TextFrame("4\xff"), testkit.Frame(testkit.Close, true, nil))
	if _, _, err := testkit.ReadFrame(r.Reader); !errors.Is(err, io.EOF) {
		t.Errorf("connection is still open: %v", err)
	}
	a.mustClose(t, conn.ReasonParseError)
}

// TestCloseIsNeverAnswered leaves the server's close frame unanswered: the close timeout ends the connection.
func TestCloseIsNeverAnswered(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{CloseTimeout: 50 * time.Millisecond}, a)
	r := s.rawWebSocket(t)
	a.next(t).Close(conn.ReasonForcedClose)
	a.mustClose(t, conn.ReasonForcedClose)
	if op, _ := r.Frame(); op != testkit.Close {
		t.Fatalf("got %v", op)
	}
	if _, _, err := testkit.ReadFrame(r.Reader); err == nil {
		t.Error("connection is still open")
	}
}
