package config

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ForOthers names what is set that a server has which other people rely on; nothing: it is run to try it out.
func (c Config) ForOthers() []string {
	var names []string
	for name, set := range map[string]bool{
		"SIGNALBOX_ENV":   c.Production(),
		"ALLOW_OPEN":      len(c.AllowOpen) > 0,
		"ALLOWED_ORIGINS": len(c.AllowedOrigins) > 0 && !c.AllowedOrigins.Any(),
		"ENDPOINT":        len(c.Endpoint) > 0 && !c.Endpoint.Any(),
		"TRUSTED_PROXIES": c.TrustedProxies.Hops > 0 || len(c.TrustedProxies.Networks) > 0,
		"JWT_SECRET":      c.JWTSecret != "",
		"JWKS_URL":        c.JWKSURL != "",
		"JWT_ISSUER":      c.JWTIssuer != "",
		"JWT_AUDIENCE":    c.JWTAudience != "",
		"REQUIRE_AUTH":    c.RequireAuth,
		"API_KEY":         c.APIKey != "",
		"REDIS_URL":       c.RedisURL != "",
		"METRICS_TOKEN":   c.MetricsToken != "",
		"TLS_CERT_FILE":   c.TLSCertFile != "",
		"TLS_DOMAINS":     len(c.TLSDomains) > 0,
		"PROXY_PROTOCOL":  c.ProxyProtocol,
	} {
		if set {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TryOut reports whether this server is run to try it out: the keys that it made up for the run may be shown to r, which
// opens the console and makes tokens. That takes a server with nothing of [Config.ForOthers], and a program of this very
// machine that sent r: the peer and the Host are loopback addresses, so no page of another host is behind it (DNS
// rebinding), and nothing in the header tells of a proxy. Without r it is about the settings alone, for who started the
// server and reads what it prints.
func (c Config) TryOut(r *http.Request) bool {
	if len(c.ForOthers()) > 0 {
		return false
	}
	return r == nil || fromThisMachine(r)
}

func fromThisMachine(r *http.Request) bool {
	if !LoopbackHost(r.RemoteAddr) || !LoopbackHost(r.Host) || !r.ProtoAtLeast(1, 1) {
		return false // browsers speak HTTP/1.1 at least, nginx by itself asks with 1.0 and says nothing else
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return false
		}
	}
	for _, origin := range r.Header["Origin"] {
		if u, err := url.Parse(origin); err != nil || !LoopbackHost(u.Host) {
			return false
		}
	}
	return true
}

// LoopbackHost reports whether a host, with or without a port, is this machine by itself: localhost or a loopback
// address. No name server is asked, whose answer may change.
func LoopbackHost(host string) bool {
	name := hostname(host)
	ip, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// AddressHost reports whether a host, with or without a port, is an IP address: no name that somebody could point
// elsewhere.
func AddressHost(host string) bool {
	_, err := netip.ParseAddr(hostname(host))
	return err == nil
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
