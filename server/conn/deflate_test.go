package conn

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"signalbox/server/conn/testkit"
)

func TestOffers(t *testing.T) {
	const taken = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for offer, want := range map[string]string{
		"":                   "",
		"permessage-deflate": taken,
		"permessage-deflate; client_max_window_bits":                                    taken,
		"permessage-deflate;client_max_window_bits=8":                                   taken,
		`permessage-deflate ; client_max_window_bits = "12"`:                            taken,
		"permessage-deflate; server_no_context_takeover":                                taken,
		"permessage-deflate; client_no_context_takeover":                                taken,
		"permessage-deflate; server_max_window_bits=15":                                 taken + "; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=10":                                 "",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":             taken,
		"x-webkit-deflate-frame, permessage-deflate":                                    taken,
		`x; a="1,2", permessage-deflate; server_max_window_bits=9, other`:               "",
		"permessage-deflate; server_max_window_bits":                                    "",
		"permessage-deflate; server_max_window_bits=16":                                 "",
		"permessage-deflate; server_max_window_bits=015":                                "",
		"permessage-deflate; client_max_window_bits=7":                                  "",
		"permessage-deflate; client_max_window_bits=16":                                 "",
		"permessage-deflate; client_max_window_bits=":                                   "",
		"permessage-deflate; client_max_window_bits; client_max_window_bits=10":         "",
		"permessage-deflate; server_no_context_takeover=1":                              "",
		"permessage-deflate; client_no_context_takeover; unknown":                       "",
		"permessage-deflate; unknown=1, permessage-deflate; server_no_context_takeover": taken,
		"permessage-deflate;":                                                           "",
		"permessage-deflate-2":                                                          "",
		"; permessage-deflate":                                                          "",
		`permessage-deflate; "x"`:                                                       "",
	} {
		if got := takeOffer([]string{offer}); got != want {
			t.Errorf("%s is answered by %q, want %q", offer, got, want)
		}
	}
	if got := takeOffer([]string{"other", "permessage-deflate"}); got != taken {
		t.Errorf("an offer in a second line is answered by %q", got)
	}
}

// startDeflate serves websockets that compress all they can and take messages up to 1000 bytes.
func startDeflate(t testing.TB) (d *doors, addr string) {
	d = newDoors(Config{CompressBytes: 1})
	web := httptest.NewServer(d)
	t.Cleanup(func() {
		if err := d.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("Shutdown() = %v", err)
		}
		web.Close()
	})
	return d, web.Listener.Addr().String()
}

// dialDeflate opens a websocket whose messages may be compressed.
func dialDeflate(t testing.TB, addr string) *testkit.Raw {
	t.Helper()
	r := testkit.DialRaw(t, addr)
	r.Send([]byte(testkit.Offering(testkit.UpgradeRequest("/ws"), "permessage-deflate; client_max_window_bits")))
	if got := r.Head(http.StatusSwitchingProtocols).Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate;") {
		t.Fatalf("extensions %q", got)
	}
	return r
}

// packed is the first frame of a compressed message.
func packed(op byte, fin bool, payload []byte) []byte {
	return testkit.Frame(op|testkit.RSV1, fin, payload)
}

func packedText(message string) []byte {
	return packed(testkit.Text, true, testkit.Deflated([]byte(message)))
}

// TestCompressedMessages are answered with themselves: in every shape that the rules allow.
func TestCompressedMessages(t *testing.T) {
	long := strings.Repeat("signal ", 142)
	noise := make([]byte, 1000)
	rand.Read(noise)
	stored := func(s string) []byte {
		return append([]byte{0, byte(len(s)), byte(len(s) >> 8), ^byte(len(s)), ^byte(len(s) >> 8)}, s...)
	}
	pings := testkit.Frame(testkit.Ping, true, nil)
	tests := map[string]struct {
		send []byte
		want string
	}{
		"example of the RFC": {packed(testkit.Text, true, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}), "Hello"},
		"in two fragments": {append(packed(testkit.Text, false, []byte{0xf2, 0x48, 0xcd}),
			testkit.Frame(testkit.Continuation, true, []byte{0xc9, 0xc9, 0x07, 0x00})...), "Hello"},
		"stored block":                     {packed(testkit.Text, true, append(stored("Hello"), 0)), "Hello"},
		"last block":                       {packed(testkit.Text, true, []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}), "Hello"},
		"last block and nothing behind it": {packed(testkit.Text, true, []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}), "Hello"},
		"last block and others behind it": {packed(testkit.Text, true,
			append([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, testkit.Deflated([]byte(", world"))...)), "Hello, world"},
		"two blocks":                 {packed(testkit.Text, true, []byte{0xf2, 0x48, 0x05, 0, 0, 0, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00}), "Hello"},
		"empty":                      {packed(testkit.Text, true, []byte{0}), ""},
		"empty, with a last block":   {packed(testkit.Text, true, []byte{3, 0, 0}), ""},
		"empty last frame":           {bytes.Join([][]byte{packed(testkit.Text, false, testkit.Deflated([]byte("ab"))), testkit.Frame(testkit.Continuation, true, nil)}, nil), "ab"},
		"empty first frame":          {bytes.Join([][]byte{packed(testkit.Text, false, nil), testkit.Frame(testkit.Continuation, true, testkit.Deflated([]byte("ab")))}, nil), "ab"},
		"not compressed":             {testkit.TextFrame("Hello"), "Hello"},
		"not compressed, in pieces":  {append(testkit.Frame(testkit.Text, false, []byte("He")), testkit.Frame(testkit.Continuation, true, []byte("llo"))...), "Hello"},
		"long":                       {packedText(long), long},
		"long text in one character": {packedText(strings.Repeat("\u20ac", 333)), strings.Repeat("\u20ac", 333)},
		"noise of the largest size":  {packed(testkit.Binary, true, testkit.Deflated(noise)), string(noise)},
		"between pings":              {bytes.Join([][]byte{pings, packed(testkit.Text, false, testkit.Deflated([]byte("ab"))[:1]), pings, pings, testkit.Frame(testkit.Continuation, true, testkit.Deflated([]byte("ab"))[1:])}, nil), "ab"},
	}
	for size := range 200 {
		text := (long + long)[:size*size%1000]
		tests[fmt.Sprintf("of %d bytes", len(text))] = struct {
			send []byte
			want string
		}{packedText(text), text}
	}
	for cut := range testkit.Deflated([]byte(long)) {
		p := testkit.Deflated([]byte(long))
		tests[fmt.Sprintf("cut at %d", cut)] = struct {
			send []byte
			want string
		}{bytes.Join([][]byte{packed(testkit.Text, false, p[:cut]), pings, testkit.Frame(testkit.Continuation, true, p[cut:])}, nil), long}
	}
	_, addr := startDeflate(t)
	r := dialDeflate(t, addr)
	for name, test := range tests {
		for _, piece := range []int{len(test.send), 1 + len(test.send)/3} {
			go func() {
				for rest := test.send; len(rest) > 0; {
					n := min(piece, len(rest))
					r.Write(rest[:n])
					rest = rest[n:]
				}
			}()
			if got := message(t, r); got != test.want {
				t.Fatalf("%s: got %.40q, want %.40q", name, got, test.want)
			}
		}
	}
}

// message reads the next message of the server, whose first frame is its only one.
func message(t testing.TB, r *testkit.Raw) string {
	t.Helper()
	for {
		first, err := r.Peek(1)
		if err != nil {
			t.Fatal(err)
		}
		deflated := first[0]&testkit.RSV1 != 0
		op, payload := r.Frame()
		switch {
		case op == testkit.Pong && !deflated:
		case op != testkit.Text && op != testkit.Binary:
			t.Fatalf("got a frame %x %x", op, payload)
		case deflated:
			return string(testkit.Inflated(t, payload))
		default:
			return string(payload)
		}
	}
}

// TestCompressedMessagesRefused: each ends its connection, with the code that the rules want.
func TestCompressedMessagesRefused(t *testing.T) {
	bomb := testkit.Deflated(make([]byte, 2<<20))
	tests := map[string]struct {
		send []byte
		code int
	}{
		"continuation with the bit": {append(packed(testkit.Text, false, []byte{0xf2, 0x48, 0xcd}),
			packed(testkit.Continuation, true, []byte{0xc9, 0xc9, 0x07, 0x00})...), closeProtocol},
		"ping with the bit":                    {packed(testkit.Ping, true, nil), closeProtocol},
		"close with the bit":                   {packed(testkit.Close, true, nil), closeProtocol},
		"another reserved bit":                 {testkit.Frame(testkit.Text|0x20, true, []byte("a")), closeProtocol},
		"all reserved bits":                    {testkit.Frame(testkit.Text|0x70, true, []byte{0}), closeProtocol},
		"no bytes":                             {packed(testkit.Text, true, nil), closeInvalid},
		"a kind of block that there is not":    {packed(testkit.Text, true, []byte{0xff, 0xff, 0xff}), closeInvalid},
		"half a block":                         {packed(testkit.Binary, true, testkit.Deflated([]byte("Hello, world"))[:5]), closeInvalid},
		"a stored block cut short":             {packed(testkit.Binary, true, []byte{0, 200, 0, 55, 255, 1}), closeInvalid},
		"what an earlier message had":          {append(packedText("Hello"), packed(testkit.Text, true, []byte{0xf2, 0, 0x11, 0, 0})...), closeInvalid},
		"streams without end":                  {packed(testkit.Text, true, bytes.Repeat([]byte{3, 0}, 400)), closeInvalid},
		"bytes that are no UTF-8":              {packedText("a\xff"), closeInvalid},
		"UTF-8 cut short":                      {packedText("a\xe2\x82"), closeInvalid},
		"a bomb":                               {packed(testkit.Binary, true, bomb[:1000]), closeTooBig},
		"a byte over the limit":                {packedText(strings.Repeat("x", 1001)), closeTooBig},
		"a byte over the limit in fragments":   {append(packed(testkit.Text, false, testkit.Deflated(make([]byte, 1001))[:4]), testkit.Frame(testkit.Continuation, true, testkit.Deflated(make([]byte, 1001))[4:])...), closeTooBig},
		"a byte over the limit, not packed":    {testkit.TextFrame(strings.Repeat("x", 1001)), closeTooBig},
		"compressed bytes far over the limit":  {packed(testkit.Binary, true, make([]byte, 1100)), closeTooBig},
		"compressed bytes far over, announced": {packed(testkit.Binary, true, make([]byte, 1100))[:8], closeTooBig},
	}
	d, addr := startDeflate(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := dialDeflate(t, addr)
			go r.Write(test.send) // the server need not read all of it
			if got := testkit.CodeOf(r.MustEnd()); got != test.code {
				t.Errorf("close code %d, want %d", got, test.code)
			}
			testkit.Receive(t, d.closed, "end")
		})
	}
	t.Run("without the extension", func(t *testing.T) {
		r := testkit.DialRaw(t, addr)
		r.Send([]byte(testkit.UpgradeRequest("/ws")))
		if got, ok := r.Head(http.StatusSwitchingProtocols).Header["Sec-Websocket-Extensions"]; ok {
			t.Errorf("extensions %q", got)
		}
		go r.Write(packedText("Hello"))
		if got := testkit.CodeOf(r.MustEnd()); got != closeProtocol {
			t.Errorf("close code %d", got)
		}
	})
}

// TestNothingIsAgreedUnasked: with the setting off an offer has no answer.
func TestNothingIsAgreedUnasked(t *testing.T) {
	_, url := startDoors(t, Config{})
	r := testkit.DialRaw(t, strings.TrimPrefix(url, "http://"))
	r.Send([]byte(testkit.Offering(testkit.UpgradeRequest("/ws"), "permessage-deflate")))
	if got, ok := r.Head(http.StatusSwitchingProtocols).Header["Sec-Websocket-Extensions"]; ok {
		t.Errorf("extensions %q", got)
	}
	r.Send(testkit.TextFrame(strings.Repeat("x", 500)))
	if op, got := r.Frame(); op != testkit.Text || len(got) != 500 {
		t.Errorf("got %v of %d bytes", op, len(got))
	}
}

// FuzzInflate feeds a reader with a compressed message in two frames. It never returns more than the limit, nor text that
// is not UTF-8, never holds much more, and its errors carry a close code.
func FuzzInflate(f *testing.F) {
	for _, seed := range [][]byte{{0}, {3, 0, 0}, {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, bytes.Repeat([]byte{3, 0}, 20),
		testkit.Deflated(bytes.Repeat([]byte("signal"), 200)), testkit.Deflated(make([]byte, 300))} {
		f.Add(seed, uint16(len(seed)/2))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		const limit = 256
		n := min(int(cut), len(data))
		r := newReader(taken{deflate: true, early: append(packed(testkit.Text, false, data[:n]),
			testkit.Frame(testkit.Continuation, true, data[n:])...)}, limit)
		op, payload, ok, err := r.next()
		if fault := (*Fault)(nil); err != nil && (!errors.As(err, &fault) || fault.Code < 1000) {
			t.Fatalf("error %v without a close code", err)
		}
		if ok && (op != opText || len(payload) > limit || !utf8.Valid(payload)) {
			t.Fatalf("%v of %d bytes", op, len(payload))
		}
		if r.inflater != nil && cap(r.inflater.out) > 4*kiB {
			t.Fatalf("%d bytes are held", cap(r.inflater.out))
		}
		r.release()
	})
}
