package client

import (
	"testing"
)

func TestNewTarget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		url, path              string
		addr, host, socketPath string
		tls                    bool
	}{
		"port":        {"http://127.0.0.1:3000", "/socket.io/", "127.0.0.1:3000", "127.0.0.1:3000", "/socket.io/", false},
		"no port":     {"http://example.test", "socket.io", "example.test:80", "example.test", "/socket.io/", false},
		"tls":         {"https://example.test", "/x", "example.test:443", "example.test", "/x/", true},
		"ipv6":        {"ws://[::1]", "/socket.io", "[::1]:80", "[::1]", "/socket.io/", false},
		"trailing /":  {"http://h:1/", "/socket.io/", "h:1", "h:1", "/socket.io/", false},
		"wss and all": {"wss://h:1", "/socket.io/", "h:1", "h:1", "/socket.io/", true},
	}
	for name, tt := range tests {
		got, err := NewTarget(tt.url, tt.path)
		if err != nil || got.addr != tt.addr || got.host != tt.host || got.path != tt.socketPath || (got.tls != nil) != tt.tls {
			t.Errorf("%s: newTarget(%q, %q) = %+v, %v", name, tt.url, tt.path, got, err)
		}
	}
}
