package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bytes is a size. It is written as a number of bytes, or with a unit: 64KiB, 4MiB, 1GiB (powers of 1024), 100kB, 1MB,
// 1GB (powers of 1000). Underscores between digits are allowed.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1},
}

var errBytes = errors.New("not a size; write a number of bytes such as 1000000, or 1MB, or 4MiB")

// UnmarshalText parses a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.ToLower(strings.ReplaceAll(string(text), "_", ""))
	factor := int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return errBytes
	}
	*b = Bytes(n * factor)
	return nil
}

// Transports is which Engine.IO transports a client may use: polling, websocket.
type Transports []string

// UnmarshalText parses a comma list of transports.
func (t *Transports) UnmarshalText(text []byte) error {
	var list Transports
	seen := make(map[string]bool)
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if item != "polling" && item != "websocket" {
			return fmt.Errorf("%q is not a transport; write polling, websocket, or both with a comma between", item)
		}
		if !seen[item] {
			seen[item] = true
			list = append(list, item)
		}
	}
	*t = list
	return nil
}

// Namespaces are names of namespaces, or all of them.
type Namespaces []string

// all stands for every namespace.
const all = "*"

// UnmarshalText parses true, false or a comma list of names.
func (n *Namespaces) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "true", "1", "yes", "on":
		*n = Namespaces{all}
		return nil
	case "false", "0", "no", "off":
		*n = nil
		return nil
	}
	var list Namespaces
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		if !strings.HasPrefix(item, "/") {
			return fmt.Errorf("%q is no namespace; write true, false, or names such as /,/chat", item)
		}
		list = append(list, item)
	}
	*n = list
	return nil
}

// Some reports whether any namespace is named.
func (n Namespaces) Some() bool { return len(n) > 0 }

// Has reports whether a namespace is among them. Programs of the operator in /backend are not what true stands for.
func (n Namespaces) Has(name string) bool {
	return slices.Contains(n, name) || slices.Contains(n, all) && name != "/backend"
}

// Secret is a value that must not be seen: every way of printing or encoding it gives "[hidden]", or nothing where it is
// empty. Convert it to a string to use it.
type Secret string

// String returns "[hidden]".
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[hidden]"
}

// Format prints "[hidden]" for every verb, %#v and %x among them.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue hides the secret from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoding/json and its like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
