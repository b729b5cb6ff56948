// Package remote says where a client is: the host at the other end of a connection, and the network that counts as one
// client where limits are counted.
package remote

import (
	"net"
	"net/http"
	"net/netip"
)

// Host returns the host part of the address that the request's connection came from, whatever its headers say; the whole
// address where it has no port, as that of a unix socket.
func Host(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Network returns what counts as one client: an IPv4 address, or the 64 bits of IPv6 that one customer has at least. What
// is no address shares one place, the zero Prefix.
func Network(addr string) netip.Prefix {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}
	}
	return NetworkOf(ip)
}

// NetworkOf is Network for an address that has been read.
func NetworkOf(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // there are as many bits
	return prefix
}
