package listen

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// v2 writes a header of version 2.
func v2(command, family byte, rest ...byte) string {
	return string(signature) + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + string(rest)
}

var headers = map[string]struct {
	head string
	want string // "": none; "!": an error
}{
	"version 1":                 {"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", "203.0.113.9:4711"},
	"version 1, IPv6":           {"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n", "[2001:db8::9]:4711"},
	"version 1, unknown":        {"PROXY UNKNOWN\r\n", ""},
	"version 2":                 {v2(0x21, 0x11, 203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 1, 187), "203.0.113.9:4711"},
	"version 2 with more to it": {v2(0x21, 0x11, 203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 1, 187, 4, 0, 1, 0), "203.0.113.9:4711"},
	"version 2, its own check":  {v2(0x20, 0), ""},
	"a request":                 {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "!"},
	"a line without an end":     {"PROXY TCP4 " + strings.Repeat("1", 200), "!"},
	"no address":                {"PROXY TCP4 me you 1 2\r\n", "!"},
	"half a line":               {"PROXY TCP4 203.0", "!"},
	"a block that is too large": {string(signature) + "\x21\x11\xff\xff", "!"},
}

func TestReadHeader(t *testing.T) {
	for name, tt := range headers {
		t.Run(name, func(t *testing.T) {
			r := strings.NewReader(tt.head + "behind")
			client, err := readHeader(r)
			got := ""
			switch {
			case err != nil:
				got = "!"
			case client != nil:
				got = client.String()
			}
			if got != tt.want {
				t.Fatalf("readHeader = %v, %v, want %q", client, err, tt.want)
			}
			if rest, _ := io.ReadAll(r); err == nil && string(rest) != "behind" {
				t.Errorf("what is behind the header = %q", rest)
			}
		})
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, tt := range headers {
		f.Add([]byte(tt.head))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		client, err := readHeader(r)
		if err == nil && client != nil && !netip.MustParseAddrPort(client.String()).IsValid() {
			t.Errorf("client %v", client)
		}
		if read := len(data) - r.Len(); read > signed+4+maxBlock {
			t.Errorf("%d bytes were read", read)
		}
	})
}

// TestProxied reads headers of trusted peers alone.
func TestProxied(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, trusted := range []bool{true, false} {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, headers["version 1"].head+"behind")
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		client, err := Proxied(func(netip.Addr) bool { return trusted }, time.Minute)(peer)
		if err != nil || (client != nil) != trusted {
			t.Errorf("trusted %t: %v, %v", trusted, client, err)
		}
		want := "behind"
		if !trusted {
			want = "PROXY "
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(peer, got); err != nil || string(got) != want {
			t.Errorf("trusted %t: what is read then = %q, %v, want %q", trusted, got, err, want)
		}
	}
	// Who says nothing is not waited for.
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := Proxied(func(netip.Addr) bool { return true }, time.Millisecond)(peer); err == nil {
		t.Error("a proxy that says nothing is waited for without end")
	}
}
