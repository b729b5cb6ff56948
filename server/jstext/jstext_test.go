package jstext

import (
	"math"
	"testing"
)

func TestAppendString(t *testing.T) {
	for s, want := range map[string]string{
		"":          `""`,
		"plain <&>": `"plain <&>"`,
		"é":         `"é"`,
		"a\"\\\n":   `"a\"\\\n"`,
		"\x01":      `"\u0001"`,
		"\xff":      `"\ufffd"`,
	} {
		if got := string(AppendString([]byte("x"), s)); got != "x"+want {
			t.Errorf("AppendString(%q) = %s, want x%s", s, got, want)
		}
	}
}

func TestAppendNumber(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 5: "5", -1.5: "-1.5", 1e20: "100000000000000000000", 1e21: "1e+21",
		1e-6: "0.000001", 1e-7: "1e-7", 1.5e-10: "1.5e-10", 5e-324: "5e-324",
	} {
		if got := string(AppendNumber(nil, f)); got != want {
			t.Errorf("AppendNumber(%v) = %s, want %s", f, got, want)
		}
	}
}
