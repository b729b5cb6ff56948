package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxProxyHops bounds a number of proxies: more than that is a typing mistake.
const maxProxyHops = 16

// Proxies says whose X-Forwarded-For is believed: so many proxies in front, or the ones in some networks. At most one of
// the two is set; the zero value believes nobody.
type Proxies struct {
	// Hops is the number of proxies in front of the server, each of which appends the address it saw.
	Hops int
	// Networks hold the proxies' own addresses.
	Networks []netip.Prefix
}

// UnmarshalText parses a number of hops, "heroku", or a comma list of addresses and networks.
func (p *Proxies) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if strings.EqualFold(s, "heroku") {
		*p = Proxies{Hops: 1} // its router appends the client's address; nothing reaches a dyno but through it
		return nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > maxProxyHops {
			return fmt.Errorf("write the number of proxies in front of the server, 0 to %d", maxProxyHops)
		}
		*p = Proxies{Hops: n}
		return nil
	}
	var list []netip.Prefix
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		prefix, err := parseNetwork(item)
		if err != nil {
			return err
		}
		list = append(list, prefix)
	}
	*p = Proxies{Networks: list}
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is neither an address nor a network; write 10.0.0.0/8, 10.1.2.3, a number of proxies, or heroku", text)
	}
	return prefix.Masked(), nil
}

// Contains reports whether the address is one of the networks'.
func (p Proxies) Contains(addr netip.Addr) bool {
	for _, n := range p.Networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// everybody reports whether one of the networks holds all addresses, or so many that it is not the proxies' own: an eighth
// of the Internet, as 2000::/3 is all of IPv6 in use.
func (p Proxies) everybody() bool {
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Bits() <= 3 })
}
