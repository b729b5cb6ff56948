package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"signalbox/server/listen/certtest"
)

// pebble is the ACME authority for tests; it is built when the test runs, and no part of go.mod.
const pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.8.0"

// startAuthority runs an ACME authority that asks names at these ports, and returns its certificate, where it is, and what
// ends it.
func startAuthority(t *testing.T, tlsPort, httpPort int) (own *certtest.Pair, addr string, end func()) {
	t.Helper()
	if os.Getenv("LONG") != "1" {
		t.Skip("make test-long runs it, with LONG=1")
	}
	bin := t.TempDir()
	build := exec.Command("go", "install", pebble)
	build.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Println("NOT RUN: certificates by ACME: " + pebble + " cannot be built")
		t.Skipf("%s", out)
	}
	own, addr = certtest.New(t), freePorts(t, 1)[0]
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr, "certificate": own.Cert, "privateKey": own.Key, "tlsPort": tlsPort, "httpPort": httpPort,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(bin, "pebble.json")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	authority := exec.Command(filepath.Join(bin, "pebble"), "-config", file, "-dnsserver", everyNameIsLocal(t))
	authority.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	if err := authority.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = authority.Process.Kill()
			_ = authority.Wait()
		}
	}
	t.Cleanup(end)
	await(t, addr)
	return own, addr, end
}

// TestACMEByPlainHTTP gets a certificate where the authority cannot reach the TLS port: it asks the one that redirects.
func TestACMEByPlainHTTP(t *testing.T) {
	ports := freePorts(t, 2)
	own, authority, _ := startAuthority(t, 1, port(ports[1]))
	p := startProcess(t, "LISTEN="+ports[0], "TLS_REDIRECT="+ports[1], "TLS_DOMAINS=chat.example.test", "TLS_CACHE="+filepath.Join(t.TempDir(), "cache"),
		"TLS_ACME_URL=https://"+authority+"/dir", "SSL_CERT_FILE="+own.Cert, "LOG_LEVEL=debug")
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{ServerName: "chat.example.test", InsecureSkipVerify: true}}
	nc, err := dialer.DialContext(t.Context(), "tcp", ports[0])
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	defer nc.Close()
	if leaf := nc.(*tls.Conn).ConnectionState().PeerCertificates[0]; !strings.Contains(leaf.Issuer.CommonName, "Pebble") {
		t.Errorf("the certificate is by %s", leaf.Issuer)
	}
	plain := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer plain.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+ports[1]+"/console?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "chat.example.test"
	res, err := plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if to := res.Header.Get("Location"); !strings.HasPrefix(to, "https://chat.example.test") || !strings.HasSuffix(to, "/console?x=1") {
		t.Errorf("others are sent to %q, %s", to, res.Status)
	}
}

// TestACME gets a certificate from a local authority, and has it still after a restart, when the authority is away.
func TestACME(t *testing.T) {
	dir, ports := t.TempDir(), freePorts(t, 1)
	own, authority, end := startAuthority(t, port(ports[0]), 1)
	settings := []string{
		"LISTEN=" + ports[0], "TLS_DOMAINS=chat.example.test", "TLS_CACHE=" + filepath.Join(dir, "cache"),
		"TLS_ACME_URL=https://" + authority + "/dir", "SSL_CERT_FILE=" + own.Cert, "LOG_LEVEL=debug",
	}
	var serial string
	for _, when := range []string{"at first", "after a restart, without the authority"} {
		p := startProcess(t, settings...)
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{ServerName: "chat.example.test", InsecureSkipVerify: true}}
		nc, err := dialer.DialContext(t.Context(), "tcp", ports[0])
		if err != nil {
			t.Fatalf("%s: %v\n%s", when, err, p.log)
		}
		leaf := nc.(*tls.Conn).ConnectionState().PeerCertificates[0]
		nc.Close()
		if !strings.Contains(leaf.Issuer.CommonName, "Pebble") || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "chat.example.test" {
			t.Errorf("%s: the certificate is for %q, by %s", when, leaf.DNSNames, leaf.Issuer)
		}
		if got := leaf.SerialNumber.String(); serial != "" && got != serial {
			t.Errorf("%s there is another certificate", when)
		} else {
			serial = got
		}
		if _, err := tls.Dial("tcp", ports[0], &tls.Config{ServerName: "other.example.test", InsecureSkipVerify: true}); err == nil {
			t.Error("a certificate is shown for a name that is not in TLS_DOMAINS")
		}
		_ = p.cmd.Process.Signal(os.Interrupt)
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("it ended with %v\n%s", err, p.log)
		}
		end()
	}
}

func port(addr string) int { return must(net.ResolveTCPAddr("tcp", addr)).Port }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// freePorts returns addresses on which nobody listens.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all are open until all are known
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// await returns when somebody listens on an address.
func await(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return
		}
	}
	t.Fatalf("nobody listens on %s", addr)
}

// everyNameIsLocal serves DNS in which every name has the address 127.0.0.1, and returns where.
func everyNameIsLocal(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // awaited at the end of the test
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			answer := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA {
				answer.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			if packed, err := answer.Pack(); err == nil {
				_, _ = pc.WriteTo(packed, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return pc.LocalAddr().String()
}
