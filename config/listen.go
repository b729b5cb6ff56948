package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Systemd is the network of an [Address] that stands for the sockets that the service manager passes on.
const Systemd = "systemd"

// Address is where the server listens.
type Address struct {
	// Network is "tcp", "unix" or [Systemd].
	Network string
	// Host is an address, empty for all interfaces; of a unix socket its path.
	Host string
	Port int
}

// String returns the address as it is written in LISTEN.
func (a Address) String() string {
	switch a.Network {
	case Systemd:
		return Systemd
	case "unix":
		return "unix:" + a.Host
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// Addresses is where the server listens, all of it.
type Addresses []Address

// UnmarshalText parses a comma list of addresses.
func (a *Addresses) UnmarshalText(text []byte) error {
	var list Addresses
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		path, unix := strings.CutPrefix(item, "unix:")
		host, port, err := net.SplitHostPort(item)
		switch {
		case item == "":
		case item == Systemd:
			list = append(list, Address{Network: Systemd})
		case unix && path != "":
			list = append(list, Address{Network: "unix", Host: path})
		case err != nil || !isPort(port):
			return fmt.Errorf("%q is no address; write some of :3000, 127.0.0.1:3000, unix:/run/signalbox.sock and systemd, with commas between", item)
		default:
			n, _ := strconv.Atoi(port) // isPort
			list = append(list, Address{Network: "tcp", Host: host, Port: n})
		}
	}
	*a = list
	return nil
}

// Addresses returns where the server listens: LISTEN, or else HOST and PORT.
func (c Config) Addresses() Addresses {
	if len(c.Listen) > 0 {
		return c.Listen
	}
	return Addresses{{Network: "tcp", Host: strings.Trim(c.Host, "[]"), Port: c.Port}}
}

// FileMode is who may read and write a file, written as chmod takes it: 0660.
type FileMode fs.FileMode

// UnmarshalText parses a mode.
func (m *FileMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(string(text), "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("not a mode of a file; write 0660, or 0666 for everybody")
	}
	*m = FileMode(n)
	return nil
}

// Domains are names of hosts.
type Domains []string

// UnmarshalText parses a comma list of names.
func (d *Domains) UnmarshalText(text []byte) error {
	var list Domains
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		switch {
		case item == "":
		case strings.ContainsAny(item, ":/* ") || !strings.Contains(item, ".") && item != "localhost":
			return fmt.Errorf("%q is no name of a host; write chat.example.com", item)
		default:
			list = append(list, item)
		}
	}
	*d = list
	return nil
}

// TLS reports whether the TCP ports speak TLS.
func (c Config) TLS() bool { return c.TLSCertFile != "" || len(c.TLSDomains) > 0 }

// NodeURL is where other servers reach this one: a scheme and a host, with a port where it is not the scheme's.
type NodeURL string

// UnmarshalText parses a URL.
func (n *NodeURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("not where a server is; write http://10.0.0.5:3000, or https://node1.example.com")
	}
	*n = NodeURL(u.Scheme + "://" + u.Host)
	return nil
}

// Forwards reports whether servers pass requests on to each other.
func (c Config) Forwards() bool { return c.NodeURL != "" && c.Clustered() }

// listenFaults returns what is wrong with the settings of listeners together.
func (c Config) listenFaults() []error {
	var faults []error
	if c.ProxyProtocol && c.TrustedProxies.Hops == 0 && len(c.TrustedProxies.Networks) == 0 {
		faults = append(faults, fmt.Errorf("PROXY_PROTOCOL=true: nobody's header is believed; set TRUSTED_PROXIES to the proxies' addresses"))
	}
	add := func(is bool, text string) {
		if is {
			faults = append(faults, errors.New(text))
		}
	}
	add(c.ProxyProtocol && c.NodeURL != "" && c.TrustedProxies.Hops > 0, "NODE_URL with PROXY_PROTOCOL: every connection would need a PROXY header, and other servers send none; set TRUSTED_PROXIES to the proxies' addresses")
	add((c.TLSCertFile == "") != (c.TLSKeyFile == ""), "TLS_CERT_FILE and TLS_KEY_FILE belong together; set both or neither")
	add(c.TLSCertFile != "" && len(c.TLSDomains) > 0, "TLS_CERT_FILE with TLS_DOMAINS: a certificate comes from a file or by ACME; leave one of the two empty")
	add(len(c.TLSDomains) > 0 && c.TLSCache == "", "TLS_DOMAINS: set TLS_CACHE to a folder, or each start asks for new certificates until the authority gives no more")
	add(len(c.TLSRedirect) > 0 && !c.TLS(), "TLS_REDIRECT: there is no TLS to redirect to; set TLS_CERT_FILE or TLS_DOMAINS")
	return faults
}
