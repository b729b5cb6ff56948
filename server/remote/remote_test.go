package remote

import (
	"net/http"
	"testing"
)

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":          "192.0.2.7/32",
		"::ffff:192.0.2.7":   "192.0.2.7/32",
		"2001:db8:1:2:3::4":  "2001:db8:1:2::/64",
		"fe80::1%eth0":       "fe80::/64",
		"":                   "invalid Prefix",
		"@":                  "invalid Prefix",
		"not an address":     "invalid Prefix",
		"2001:db8:1:2:ff::9": "2001:db8:1:2::/64",
	} {
		if got := Network(addr).String(); got != want {
			t.Errorf("Network(%q) = %s, want %s", addr, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	for addr, want := range map[string]string{"192.0.2.7:80": "192.0.2.7", "[::1]:80": "::1", "@": "@", "": ""} {
		if got := Host(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("Host of %q = %q, want %q", addr, got, want)
		}
	}
}
