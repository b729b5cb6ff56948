package payload

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsStrings is what node prints for String(JSON.parse(x)).
var jsStrings = map[string]string{
	`5`: "5", `5.0`: "5", `"5"`: "5", `null`: "null", `true`: "true", `false`: "false",
	`1e21`: "1e+21", `1e20`: "100000000000000000000",
	`123456789012345680000`: "123456789012345680000", `999999999999999900000`: "999999999999999900000",
	`1e-6`: "0.000001", `1e-7`: "1e-7", `0.000001`: "0.000001", `0.0000012`: "0.0000012", `1.5e-7`: "1.5e-7",
	`-0`: "0", `-0.0`: "0", `-0e5`: "0", `0`: "0", `0.1`: "0.1", `-1.5`: "-1.5", `1E5`: "100000", `1e+5`: "100000",
	`9007199254740993`: "9007199254740992", `9007199254740992`: "9007199254740992",
	`-9007199254740993`: "-9007199254740992", `12345678901234567890`: "12345678901234567000",
	`123456789012345678901234567890`: "1.2345678901234568e+29",
	`999999999999999`:                "999999999999999", `9999999999999999`: "10000000000000000",
	`1e400`: "Infinity", `-1e400`: "-Infinity", `1e-400`: "0", `5e-324`: "5e-324",
	`1.7976931348623157e308`: "1.7976931348623157e+308", `1e100`: "1e+100", `1e-100`: "1e-100",
	`1.10`: "1.1", `0.30000000000000004`: "0.30000000000000004", `100`: "100", `-100`: "-100", `1e0`: "1",
	`123e-2`: "1.23", `4.35`: "4.35", `0.1e-6`: "1e-7", `1e-10`: "1e-10",
	`""`: "", `"a\nb"`: "a\nb", `"\u0041"`: "A", `"\ud83d\ude00"`: "😀", `"\/"`: "/", `"a,b"`: "a,b", `"null"`: "null",
	`"\b\f\n\r\t\"\\"`: "\b\f\n\r\t\"\\", `"[1,2]"`: "[1,2]", `"\u2028"`: "\u2028",
	`[]`: "", `[[]]`: "", `[[],[]]`: ",", `[1,2]`: "1,2", `[null]`: "", `[[null],null]`: ",", `[""]`: "", `["",""]`: ",",
	`[1,[2,[3,"x"]],true]`: "1,2,3,x,true", `[ 1 , "a b" ,{} ]`: "1,a b,[object Object]",
	`[{"a":[1,2]},3]`: "[object Object],3", `[1.0,1e21,-0]`: "1,1e+21,0", `["]",1]`: "],1",
	`{}`: "[object Object]", `{"a":1}`: "[object Object]",
}

func TestJSString(t *testing.T) {
	for in, want := range jsStrings {
		if got := string(AppendJSString(nil, []byte(in))); got != want {
			t.Errorf("AppendJSString(%s) = %q, want %q", in, got, want)
		}
	}
}

func TestJSStringKeepsHalfSurrogatesApart(t *testing.T) {
	seen := make(map[string]string)
	for _, in := range []string{
		`"\ud83d"`, `"\ude00"`, `"\ud83e"`, `"\ud83d\ud83d"`, `"\ud83dx"`, `"\ude00\ud83d"`, `"\ud83d\ude00"`, `"\ufffd"`,
		`"\ud83d\\ude00"`, `"\ud83d\n"`,
	} {
		got := string(AppendJSString(nil, []byte(in)))
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s are both %q", in, other, got)
		}
		seen[got] = in
	}
}

func TestJSStringOfDeepArrayNeedsNoStack(t *testing.T) {
	const depth = 1_000_000
	in := strings.Repeat("[", depth) + "7" + strings.Repeat("]", depth)
	if got := string(AppendJSString(nil, []byte(in))); got != "7" {
		t.Errorf("AppendJSString = %.20q, want 7", got)
	}
}

// TestJSStringAsNode compares with the original: JavaScript itself.
func TestJSStringAsNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var inputs []string
	for in := range jsStrings {
		inputs = append(inputs, in)
	}
	for range 3000 {
		f := math.Float64frombits(random.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		digits := strconv.FormatUint(random.Uint64(), 10)[:1+random.IntN(16)]
		inputs = append(inputs,
			strconv.FormatFloat(f, "eEfg"[random.IntN(4)], -1, 64),
			strconv.FormatInt(random.Int64()>>random.IntN(60), 10),
			"0."+strings.Repeat("0", random.IntN(9))+digits,
			digits[:1]+"."+digits+"e"+strconv.Itoa(random.IntN(60)-30),
		)
	}
	cmd := exec.Command(node, "-e", `
		const inputs = JSON.parse(require("fs").readFileSync(0, "utf8"));
		console.log(JSON.stringify(inputs.map(x => { try { return String(JSON.parse(x)) } catch { return null } })));`)
	stdin, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var want []*string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i, in := range inputs {
		if want[i] == nil {
			continue // not JSON, as a number that begins with 00
		}
		compared++
		if got := string(AppendJSString(nil, []byte(in))); got != *want[i] {
			t.Fatalf("AppendJSString(%s) = %q, want %q", in, got, *want[i])
		}
	}
	if compared < len(inputs)/2 {
		t.Errorf("compared %d of %d", compared, len(inputs))
	}
}

func FuzzJSString(f *testing.F) {
	for in := range jsStrings {
		f.Add([]byte(in))
	}
	for _, in := range []string{``, `-`, `"`, `"\`, `"\u12`, `"\ud800\u`, `[`, `[}`, `[,]`, `]`, `{`, `1e`, `nul`, `[:]`} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := string(AppendJSString(nil, raw))
		if string(AppendJSString([]byte("x"), raw)) != "x"+got {
			t.Errorf("AppendJSString(%q) depends on what it appends to", raw)
		}
		if !json.Valid(raw) || len(bytes.TrimSpace(raw)) < len(raw) || raw[0] != '-' && !IsString(raw) && (raw[0] < '0' || raw[0] > '9') {
			return
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return // a number beyond float64
		}
		switch v := v.(type) {
		case float64:
			back, err := strconv.ParseFloat(got, 64)
			if err != nil || back != v {
				t.Errorf("AppendJSString(%s) = %s, another number", raw, got)
			}
			if exact := string(appendNumberText(nil, []byte(got))); exact != got {
				t.Errorf("AppendJSString(%s) = %s, and of that %s", raw, got, exact)
			}
		case string:
			if utf8.ValidString(got) && utf8.Valid(raw) && got != v {
				t.Errorf("AppendJSString(%s) = %q, want %q", raw, got, v)
			}
		}
	})
}
