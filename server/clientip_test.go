package server

import (
	"net/http/httptest"
	"testing"

	"signalbox/config"
)

func TestClientIP(t *testing.T) {
	tests := map[string]struct {
		trusted string
		peer    string
		xff     []string
		want    string
	}{
		"nobody trusted":                          {"", "192.0.2.1:5000", []string{"203.0.113.9"}, "192.0.2.1"},
		"one proxy":                               {"1", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		"heroku":                                  {"heroku", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		"one proxy, the client lies":              {"1", "10.0.0.1:5000", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		"one proxy, the client lies in a line":    {"1", "10.0.0.1:5000", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		"two proxies":                             {"2", "10.0.0.1:5000", []string{"1.1.1.1, 203.0.113.9, 198.51.100.7"}, "203.0.113.9"},
		"two proxies, one was passed by":          {"2", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		"one proxy, no header":                    {"1", "10.0.0.1:5000", nil, "10.0.0.1"},
		"one proxy, no address":                   {"1", "10.0.0.1:5000", []string{"unknown"}, "10.0.0.1"},
		"two proxies, no address in between":      {"2", "10.0.0.1:5000", []string{"1.1.1.1, unknown, 198.51.100.7"}, "198.51.100.7"},
		"network":                                 {"10.0.0.0/8", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		"network, the client lies":                {"10.0.0.0/8", "10.0.0.1:5000", []string{"10.9.9.9, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"network, peer is not a proxy":            {"10.0.0.0/8", "192.0.2.1:5000", []string{"203.0.113.9"}, "192.0.2.1"},
		"network, everybody is a proxy":           {"10.0.0.0/8", "10.0.0.1:5000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"network, no address in between":          {"10.0.0.0/8", "10.0.0.1:5000", []string{"203.0.113.9, ?, 10.0.0.2"}, "10.0.0.2"},
		"address with a port":                     {"1", "10.0.0.1:5000", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"version 6":                               {"1", "10.0.0.1:5000", []string{"2001:DB8::1"}, "2001:db8::1"},
		"version 6 in brackets":                   {"1", "10.0.0.1:5000", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		"version 6 in brackets, no port":          {"1", "10.0.0.1:5000", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"version 4 written as 6":                  {"1", "10.0.0.1:5000", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"peer by version 6":                       {"::1", "[::1]:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		"peer with a zone":                        {"", "[fe80::1%eth0]:5000", nil, "fe80::1"},
		"empty items":                             {"1", "10.0.0.1:5000", []string{" , "}, "10.0.0.1"},
		"connection without an address, in tests": {"", "pipe", nil, "invalid IP"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var trusted config.Proxies
			if tt.trusted != "" {
				if err := trusted.UnmarshalText([]byte(tt.trusted)); err != nil {
					t.Fatal(err)
				}
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			for _, line := range tt.xff {
				r.Header.Add("X-Forwarded-For", line)
			}
			if got := clientIP(trusted)(r); got != tt.want {
				t.Errorf("client of %s with X-Forwarded-For %q, trusting %q = %s, want %s", tt.peer, tt.xff, tt.trusted, got, tt.want)
			}
		})
	}
}
