package server

import (
	"log/slog"
	"net/netip"
	"runtime"
	"testing"

	"signalbox/config"
)

func TestDescriptors(t *testing.T) {
	for _, tc := range []struct{ files, clients, open int }{
		{files: 20_000, clients: 19_000, open: 19_500},
		{files: 256, clients: 206, open: 231},
		{files: 10, clients: 1, open: 5},
		{files: 0, clients: 0, open: 0},
	} {
		if got := clientDescriptors(tc.files); got != tc.clients {
			t.Errorf("clientDescriptors(%d) = %d, want %d", tc.files, got, tc.clients)
		}
		if got := listenerOptions(config.Config{}, tc.files, slog.Default()).MaxOpen; got != tc.open {
			t.Errorf("with %d files %d connections may be open, want %d", tc.files, got, tc.open)
		}
	}
	if runtime.GOOS == "linux" && openFiles() == 0 {
		t.Error("the limit of open files is not known")
	}
}

func TestConnectionsOfAnAddress(t *testing.T) {
	proxies := config.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for name, tt := range map[string]struct {
		cfg  config.Config
		want int
	}{
		"no limit":             {config.Config{}, 0},
		"few":                  {config.Config{MaxConnectionsPerIP: 2}, 16},
		"many":                 {config.Config{MaxConnectionsPerIP: 100}, 300},
		"behind proxies":       {config.Config{MaxConnectionsPerIP: 100, TrustedProxies: proxies}, 0},
		"behind a few proxies": {config.Config{MaxConnectionsPerIP: 100, TrustedProxies: config.Proxies{Hops: 1}}, 0},
	} {
		if got := listenerOptions(tt.cfg, 0, slog.Default()).MaxPerAddr; got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
