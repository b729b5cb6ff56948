package engine

import (
	"bytes"
	"strings"
	"testing"

	"signalbox/server/wire"
)

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
