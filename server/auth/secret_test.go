package auth

import (
	"strings"
	"testing"
)

func TestCheckSecret(t *testing.T) {
	for name, c := range map[string]struct {
		secret    string
		ok, short bool
	}{
		"none":             {"", false, false},
		"15 bytes":         {"0123456789abcde", false, false},
		"16 bytes":         {"0123456789abcdef", true, true},
		"31 bytes":         {"0123456789abcdef0123456789abcde", true, true},
		"32 bytes":         {"0123456789abcdef0123456789abcdef", true, false},
		"one letter":       {strings.Repeat("x", 64), false, false},
		"a PEM key":        {"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQ", false, false},
		"a PEM key, moved": {"\n -----BEGIN RSA PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQ", false, false},
		"one made up":      {NewRandomSecret(), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := CheckSecret(c.secret); (err == nil) != c.ok {
				t.Errorf("CheckSecret = %v, want ok %v", err, c.ok)
			}
			if got := c.ok && ShortSecret(c.secret); got != c.short {
				t.Errorf("ShortSecret = %v, want %v", got, c.short)
			}
		})
	}
}

func TestNewRandomSecret(t *testing.T) {
	a, b := NewRandomSecret(), NewRandomSecret()
	if a == b || len(a) != 2*GoodSecretBytes {
		t.Errorf("NewRandomSecret = %d and %d characters, equal %v, want 64 and different", len(a), len(b), a == b)
	}
}

func TestKeyMatches(t *testing.T) {
	for name, c := range map[string]struct {
		given, configured string
		want              bool
	}{
		"equal":                {"key", "key", true},
		"other":                {"kex", "key", false},
		"prefix":               {"ke", "key", false},
		"longer":               {"key ", "key", false},
		"another case":         {"KEY", "key", false},
		"none given":           {"", "key", false},
		"none configured":      {"key", "", false},
		"neither":              {"", "", false},
		"one megabyte":         {strings.Repeat("k", 1<<20), "key", false},
		"a zero byte behind":   {"key\x00", "key", false},
		"equal and not UTF-8":  {"\xff\xfe", "\xff\xfe", true},
		"unlike and not UTF-8": {"\xff\xfe", "\xff\xff", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := KeyMatches(c.given, c.configured); got != c.want {
				t.Errorf("KeyMatches = %v, want %v", got, c.want)
			}
		})
	}
}
