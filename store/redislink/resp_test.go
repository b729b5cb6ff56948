package redislink

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

func valueOf(text string, each int) (any, error) {
	return newReader(&pieces{text: []byte(text), each: each}).value()
}

func TestValues(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789\r\n", 300_000)
	for text, want := range map[string]any{
		"+OK\r\n": "OK", "+\r\n": "", "-ERR no\r\n": Error("ERR no"), ":-12\r\n": int64(-12), "$-1\r\n": nil, "*-1\r\n": nil,
		"$0\r\n\r\n": "", "$4\r\na\r\nb\r\n": "a\r\nb", "*0\r\n": []any{}, fmt.Sprintf("$%d\r\n%s\r\n", len(large), large): large,
		"*4\r\n:1\r\n$-1\r\n*1\r\n-ERR x\r\n+y\r\n": []any{int64(1), nil, []any{Error("ERR x")}, "y"},
	} {
		for _, each := range []int{1, 7, 1 << 20} {
			if each == 1 && len(text) > 1<<20 {
				continue
			}
			if got, err := valueOf(text, each); !reflect.DeepEqual(got, want) || err != nil {
				t.Errorf("in pieces of %d: value(%.40q) = %.40v, %v, want %.40v", each, text, got, err, want)
			}
			if _, err := valueOf(text[:len(text)-1], each); err == nil {
				t.Errorf("in pieces of %d: value(%.40q) without its end has no error", each, text)
			}
		}
	}
}

func TestWhatIsNoValue(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\r\n", "\n", "x\r\n", ":x\r\n", "$x\r\n", "$-2\r\n", "$1\r\nabc", "$99999999999\r\n", "*x\r\n", "*-2\r\n",
		strings.Repeat("*1\r\n", maxDepth+2), "+" + strings.Repeat("x", readerBytes),
	} {
		if got, err := valueOf(text, 1000); !errors.Is(err, errProtocol) {
			t.Errorf("value(%.40q) = %v, %v, want %v", text, got, err, errProtocol)
		}
	}
	if _, err := valueOf("*1000000000\r\n", 1000); err != io.EOF {
		t.Errorf("a long list that does not come is %v, want %v", err, io.EOF)
	}
}

func TestCommandsAreWritten(t *testing.T) {
	t.Parallel()
	text, number := "text", int64(-3)
	got := string(appendCommand(nil, "set", []byte{0, '\r', '\n'}, &text, 1, int64(2), &number, 2.5, ""))
	if want := array("set", "\x00\r\n", "text", "1", "2", "-3", "2.5", ""); got != want {
		t.Errorf("written: %q, want %q", got, want)
	}
}

// FuzzValue has anything come: it ends in an error or is taken in full, and how it is cut into reads changes nothing.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"+OK\r\n", "-ERR x\r\n", ":1\r\n", "$3\r\nabc\r\n", "*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "*-1\r\n", "$-1\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, end := valueOf(string(text), len(text)+1)
		cut, cutEnd := valueOf(string(text), 3)
		if !reflect.DeepEqual(whole, cut) || (end == nil) != (cutEnd == nil) {
			t.Errorf("whole: %v, %v; in pieces: %v, %v", whole, end, cut, cutEnd)
		}
	})
}

// The slots are those that the specification and CLUSTER KEYSLOT give.
func TestSlots(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"": 0, "123456789": 12739, "foo": 12182, "{foo}bar": 12182, "a{foo}{b}": 12182} {
		if got := slotOf(key); got != want {
			t.Errorf("slotOf(%q) = %d, want %d", key, got, want)
		}
	}
	for _, tt := range []struct {
		args []any
		want int
	}{
		{[]any{"get", "foo"}, 12182}, {[]any{"EVAL", "return 1", 1, "foo", "x"}, 12182}, {[]any{"set", []byte("foo"), 1}, 12182},
		{[]any{"ping"}, -1}, {[]any{"eval", "return 1", 0}, -1},
	} {
		if got := commandSlot(tt.args); got != tt.want {
			t.Errorf("commandSlot(%q) = %d, want %d", tt.args, got, tt.want)
		}
	}
}

func TestReadSlots(t *testing.T) {
	t.Parallel()
	node := func(host any, port int64) any { return []any{host, port, "id"} }
	owners, masters, nodes, err := readSlots([]any{
		[]any{int64(0), int64(99), node("10.0.0.1", 1), node("10.0.0.2", 2)},
		[]any{int64(100), int64(16383), node("", 3)},
		[]any{int64(7), int64(7), node(nil, 3), node("::1", 4)},
	}, "asked")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(owners[6:8], owners[99:101], masters, nodes),
		"[10.0.0.1:1 asked:3] [10.0.0.1:1 asked:3] [10.0.0.1:1 asked:3] [10.0.0.1:1 10.0.0.2:2 asked:3 [::1]:4]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, reply := range []any{
		nil, "x", []any{}, []any{"x"}, []any{[]any{int64(0), int64(1)}}, []any{[]any{int64(0), int64(20_000), node("a", 1)}},
		[]any{[]any{int64(-1), int64(2), node("a", 1)}}, []any{[]any{int64(0), int64(1), "x"}},
	} {
		if _, _, _, err := readSlots(reply, "asked"); err == nil {
			t.Errorf("readSlots(%v) has no error", reply)
		}
	}
}
