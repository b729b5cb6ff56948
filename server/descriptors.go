package server

import (
	"log/slog"
	"net/netip"

	"signalbox/config"
	"signalbox/server/conn"
	"signalbox/server/listen"
)

// filesFor returns how many files all but what is passed on to other servers may open.
func filesFor(cfg config.Config) int {
	if cfg.Forwards() {
		return openFiles() / 4 * 3
	}
	return openFiles()
}

// maxForwarded returns how many requests may be passed on at a time, each of which takes a file.
func maxForwarded() int {
	if files := openFiles(); files > 0 {
		return files / 4
	}
	return 10_000
}

// clientDescriptors returns how many files clients may have open together: as many as leave a twentieth of what the process
// may open, and 50 at least, for everything else. A client over it is refused and told so; without a limit the listener
// itself would run out of files, and nobody could connect or ask why. 0: it is not known.
func clientDescriptors(openFiles int) int {
	if openFiles == 0 {
		return 0
	}
	return max(1, openFiles-max(50, openFiles/20))
}

// listenerOptions bound the connections that are open, whatever they are for: those of clients, and half of what these leave.
// The bound for one address is wide enough for MAX_CONNECTIONS_PER_IP clients that poll and upgrade. Behind proxies all have
// the proxy's address, and there is none; nor is there where other servers pass requests on, each from its own.
func listenerOptions(cfg config.Config, openFiles int, log *slog.Logger) conn.ListenerOptions {
	o := conn.ListenerOptions{WriteTimeout: cfg.WriteTimeout, Log: log}
	if clients := clientDescriptors(openFiles); clients > 0 {
		o.MaxOpen = clients + (openFiles-clients)/2
	}
	if direct := cfg.TrustedProxies.Hops == 0 && len(cfg.TrustedProxies.Networks) == 0; direct && cfg.MaxConnectionsPerIP > 0 && !cfg.Forwards() {
		o.MaxPerAddr = max(16, 3*cfg.MaxConnectionsPerIP)
	}
	if cfg.ProxyProtocol {
		o.Preface = listen.Proxied(func(a netip.Addr) bool { return cfg.TrustedProxies.Hops > 0 || cfg.TrustedProxies.Contains(a) }, cfg.HeaderReadTimeout)
	}
	return o
}
