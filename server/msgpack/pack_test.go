package msgpack

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"signalbox/server/rawjson"
)

func pack(t testing.TB, value string, attachments ...[]byte) Packer {
	t.Helper()
	p := NewPacker(nil, attachments)
	if err := p.Value([]byte(value)); err != nil {
		t.Fatalf("%.100s: %v", value, err)
	}
	return p
}

func TestPack(t *testing.T) {
	for name, tt := range map[string]struct {
		value, want string
		exact       bool
	}{
		"small":                         {`[0,127,-32]`, "93007fe0", true},
		"the widths that Node has":      {`[128,256,65536,4294967296]`, "94cc80cd0100ce00010000cf0000000100000000", true},
		"negative":                      {`[-33,-129,-32769,-2147483649]`, "94d0dfd1ff7fd2ffff7fffd3ffffffff7fffffff", true},
		"beyond 2^53":                   {`[9007199254740993,18446744073709551615]`, "92cf0020000000000001cfffffffffffffffff", true},
		"beyond 64 bits":                {`18446744073709551616`, "cb43f0000000000000", false},
		"as JavaScript writes the same": {`18446744073709552000`, "cb43f0000000000000", true},
		"minus zero":                    {`-0`, "cb8000000000000000", false},
		"a fraction":                    {`0.5`, "cb3fe0000000000000", true},
		"a fraction of nothing":         {`1.0`, "cb3ff0000000000000", false},
		"an exponent":                   {`1e21`, "cb444b1ae4d6e2ef50", false},
		"JavaScript's exponent":         {`1e+21`, "cb444b1ae4d6e2ef50", true},
		"out of range":                  {`1e999`, "cb7ff0000000000000", false},
		"a surrogate alone":             {`"\ud800"`, "a3efbfbd", false},
		"a pair":                        {`"\ud83d\ude00"`, "a4f09f9880", false},
		"two halves, the wrong way":     {`"\ude00\ud83d"`, "a6efbfbdefbfbd", false},
		"a half and another character":  {`"\ud83d\u0041"`, "a4efbfbd41", false},
		"escapes of JSON.stringify":     {`"\n\u0001\""`, "a30a0122", true},
		"other escapes":                 {`"\u000a"`, "a10a", false},
		"a slash":                       {`"\/"`, "a12f", false},
		"space":                         {"[ 1\t]", "9101", false},
		"space around":                  {" [1]\n", "9101", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := pack(t, tt.value)
			if got := fmt.Sprintf("%x", p.Dst); got != tt.want || p.Exact != tt.exact {
				t.Errorf("%s = %s, exact %v, want %s, %v", tt.value, got, p.Exact, tt.want, tt.exact)
			}
		})
	}
}

// TestPackDoubles: numbers are what JSON.parse makes of them, and written as notepack.io does.
func TestPackDoubles(t *testing.T) {
	for value, want := range map[string]string{
		`9007199254740992`: "cf0020000000000000", `-9007199254740992`: "d3ffe0000000000000", `9007199254740993`: "cf0020000000000000", `9007199254740994`: "cb4340000000000001",
		`-9007199254740994`: "cbc340000000000001", `18446744073709551615`: "cb43f0000000000000", `1.0`: "01", `2e2`: "ccc8", `-1.0`: "ff",
		`25500e-2`: "ccff", `-0`: "cb8000000000000000", `-0.0`: "cb8000000000000000", `0.0`: "00", `0.5`: "cb3fe0000000000000", `1e999`: "cb7ff0000000000000",
		`1e21`: "cb444b1ae4d6e2ef50",
	} {
		p := NewPacker(nil, nil)
		p.Doubles = true
		if err := p.Value([]byte(value)); err != nil || fmt.Sprintf("%x", p.Dst) != want {
			t.Errorf("%s = %x, %v, want %s", value, p.Dst, err, want)
		}
	}
}

// Long headers are made room for by moving what is there already; a client must not have that done for each level of a
// deep value.
func TestPackMovesLittle(t *testing.T) {
	const level = `[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,`
	value := strings.Repeat(level, rawjson.MaxDepth) + `"x"` + strings.Repeat("]", rawjson.MaxDepth)
	p := pack(t, value)
	if narrow, full := bytes.Count(p.Dst, []byte{CodeArray16, 0, 16}), bytes.Count(p.Dst, []byte{CodeArray32, 0, 0, 0, 16}); narrow != narrowDepth || full != rawjson.MaxDepth-narrowDepth {
		t.Errorf("%d headers were moved for and %d not, want %d and %d", narrow, full, narrowDepth, rawjson.MaxDepth-narrowDepth)
	}
	got, _, err := Form{}.Value(p.Dst)
	if err != nil || string(got) != value {
		t.Errorf("it came back as other JSON: %v", err)
	}
}

// A client must not have one attachment written as often as it likes to name it.
func TestPackRepeatsLittle(t *testing.T) {
	attachment := make([]byte, 1<<15)
	for name, placeholder := range map[string]string{
		"as encoders write it": `{"_placeholder":true,"num":0}`,
		"another way":          `{"num":0,"_placeholder":true}`,
		"over another":         `{"num":0,"_placeholder":true,"x":{"_placeholder":true,"num":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			value := "[" + strings.Repeat(placeholder+",", 1000) + "1]"
			p := pack(t, value, attachment, attachment)
			if limit := len(value) + 2*len(attachment) + repeatBytes; len(p.Dst) > limit {
				t.Errorf("%d bytes of JSON and %d of attachments became %d", len(value), 2*len(attachment), len(p.Dst))
			}
		})
	}
}
