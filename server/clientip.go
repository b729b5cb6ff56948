package server

import (
	"net/http"
	"net/netip"
	"strings"

	"signalbox/config"
	"signalbox/server/remote"
)

// proxiesOf returns who may say where a request comes from in its header. Of a number of proxies the outermost that speaks
// the PROXY protocol has said so already.
func proxiesOf(cfg config.Config) config.Proxies {
	trusted := cfg.TrustedProxies
	if cfg.ProxyProtocol && trusted.Hops > 0 {
		trusted.Hops--
	}
	return trusted
}

// clientIP returns what names the address of the client behind a request. Without trusted proxies that is the other end of
// the connection. With them it comes from X-Forwarded-For, read from the right: each proxy appends the address it
// saw, so only what trusted proxies wrote counts, and what the client itself sent in front of it never does.
func clientIP(trusted config.Proxies) func(*http.Request) string {
	switch {
	case trusted.Hops > 0:
		return func(r *http.Request) string { return forwardedByHops(r, trusted.Hops).String() }
	case len(trusted.Networks) > 0:
		return func(r *http.Request) string { return forwardedByNetworks(r, trusted).String() }
	default:
		return func(r *http.Request) string { return peerAddr(r).String() }
	}
}

// forwardedByHops takes the address that the outermost of so many proxies saw.
func forwardedByHops(r *http.Request, hops int) netip.Addr {
	addr := peerAddr(r)
	fromRight(r, func(a netip.Addr) bool {
		addr = a
		hops--
		return hops > 0
	})
	return addr
}

// forwardedByNetworks goes from proxy to proxy as long as each is trusted, and takes the first address that is not.
func forwardedByNetworks(r *http.Request, trusted config.Proxies) netip.Addr {
	addr := peerAddr(r)
	if addr.IsValid() && !trusted.Contains(addr) { // that of a unix socket is not, and a proxy's: who else may open it
		return addr
	}
	fromRight(r, func(a netip.Addr) bool {
		addr = a
		return trusted.Contains(a)
	})
	return addr
}

// fromRight calls yield with the addresses of X-Forwarded-For, the last one first, until it returns false or something
// that is no address comes.
func fromRight(r *http.Request, yield func(netip.Addr) bool) {
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			var item string
			if cut := strings.LastIndexByte(rest, ','); cut >= 0 {
				rest, item = rest[:cut], rest[cut+1:]
			} else {
				item, more = rest, false
			}
			addr, ok := parseAddr(strings.TrimSpace(item))
			if !ok || !yield(addr) {
				return
			}
		}
	}
}

// parseAddr reads an address, with or without a port: some proxies write one.
func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// peerAddr returns the other end of the TCP connection; the zero address where there is none, as in tests.
func peerAddr(r *http.Request) netip.Addr {
	addr, _ := parseAddr(remote.Host(r))
	return addr
}
