package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signalbox/config"
	"signalbox/server/listen/certtest"
)

// shownBy returns the certificate that a handshake shows.
func shownBy(t *testing.T, addr net.Addr, settings *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	nc, err := tls.Dial("tcp", addr.String(), settings)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0], nil
}

func TestTLS(t *testing.T) {
	pair, path := certtest.New(t), filepath.Join(t.TempDir(), "s")
	cfg := localConfig()
	cfg.TLSCertFile, cfg.TLSKeyFile = pair.Cert, pair.Key
	for text, to := range map[string]*config.Addresses{"127.0.0.1:0,unix:" + path: &cfg.Listen, "127.0.0.1:0": &cfg.TLSRedirect} {
		if err := to.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	r := runServer(t, cfg, &fakeDoor{})
	for proto, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
		transport := &http.Transport{TLSClientConfig: pair.Client(), ForceAttemptHTTP2: http2}
		res, err := (&http.Client{Transport: transport}).Get("https://" + r.Addr().String() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		transport.CloseIdleConnections()
		if res.Proto != proto || res.StatusCode != 200 {
			t.Errorf("it answers with %s %d, want %s 200", res.Proto, res.StatusCode, proto)
		}
	}
	old := pair.Client()
	old.MaxVersion = tls.VersionTLS11
	if _, err := shownBy(t, r.Addr(), old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if res, err := unixClient(t, path).Get("http://any/healthz"); err != nil || res.StatusCode != 200 {
		t.Errorf("by the unix socket, without TLS: %v", err)
	} else {
		res.Body.Close()
	}
	res, _ := do(t, request(t, "GET", "http://"+r.plain[0].Addr().String()+"/a%20b?c=d"))
	if want := "https://" + r.Addr().String() + "/a%20b?c=d"; res.StatusCode != 308 || res.Header.Get("Location") != want {
		t.Errorf("the plain port answers %d to %s, want 308 to %s", res.StatusCode, res.Header.Get("Location"), want)
	}
}

// TestCertificateIsReadAgain when it has changed; one that cannot be used changes nothing.
func TestCertificateIsReadAgain(t *testing.T) {
	pair := certtest.New(t)
	cfg := localConfig()
	cfg.TLSCertFile, cfg.TLSKeyFile = pair.Cert, pair.Key
	r := runServer(t, cfg, &fakeDoor{})
	first := pair.Leaf
	shows := func(want *x509.Certificate, when string) {
		t.Helper()
		got, err := shownBy(t, r.Addr(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(want) {
			t.Errorf("%s another certificate is shown", when)
		}
	}
	shows(first, "at first")
	good, err := os.ReadFile(pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pair.Key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.tls.Reload(); err == nil || strings.Contains(err.Error(), "broken") {
		t.Errorf("Reload of a broken key = %v", err)
	}
	shows(first, "with a broken key")
	if err := os.WriteFile(pair.Key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	pair.Renew(t)
	if err := r.tls.Reload(); err != nil {
		t.Fatal(err)
	}
	shows(pair.Leaf, "after Reload")
}

func TestTLSFaults(t *testing.T) {
	cfg := localConfig()
	cfg.TLSCertFile, cfg.TLSKeyFile = "/nowhere/cert.pem", "/nowhere/key.pem"
	if _, err := newServer(cfg, quiet, "test", NewMetrics(), &fakeDoor{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "TLS_CERT_FILE") {
		t.Errorf("a server without its certificate: %v", err)
	}
}
