package redislink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// trust says which certificates are taken.
type trust struct {
	insecure bool           // any
	roots    *x509.CertPool // nil: those of the system
	names    []string       // the names of hosts in the URL
}

func newTrust(a address, o Options) *trust {
	t := &trust{insecure: o.InsecureTLS, roots: o.roots}
	for _, addr := range a.hosts {
		if host := hostOf(addr); net.ParseIP(host) == nil {
			t.names = append(t.names, host)
		}
	}
	return t
}

// config is for a connection to addr. The certificate has to be for its host. Sentinels and clusters mostly tell where a
// Redis is by its IP address, which hardly a certificate is for: then one for a name in the URL will do, since its owner
// is whom the URL trusts.
func (t *trust) config(addr string) *tls.Config {
	host := hostOf(addr)
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: t.roots, InsecureSkipVerify: t.insecure}
	if t.insecure || net.ParseIP(host) == nil || len(t.names) == 0 {
		return c
	}
	c.ServerName = t.names[0]
	c.InsecureSkipVerify = true // in favour of what follows, which does the same for any of the names
	c.VerifyConnection = func(state tls.ConnectionState) error { return t.verify(state, append([]string{host}, t.names...)) }
	return c
}

// verify checks the certificate as crypto/tls would, for any one of the names.
func (t *trust) verify(state tls.ConnectionState, names []string) error {
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	var errs []error
	for _, name := range names {
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between, DNSName: name})
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
