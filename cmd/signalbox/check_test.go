package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("s.yaml", []byte("PORT: 4000\nJWT_SECRET: do-not-show-this-text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(environment ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), []string{"check"}, env(append(environment, "CONFIG=s.yaml")...), &out, &out)
		return strings.Join(strings.Fields(out.String()), " "), err
	}
	out, err := check("HOST=127.0.0.1")
	if err != nil {
		t.Errorf("check of good settings: %v", err)
	}
	for _, want := range []string{"PORT 4000 # s.yaml", "HOST 127.0.0.1 # environment", "JWT_SECRET [hidden] # s.yaml", "PING_INTERVAL 25s # default", "would start"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
	out, err = check("PING_INTERVAL=5", "MAX_CONNECTIONS=x")
	if exitCode(err, new(bytes.Buffer)) != 1 || !strings.Contains(err.Error(), "PING_INTERVAL") || !strings.Contains(err.Error(), "MAX_CONNECTIONS") {
		t.Errorf("check of two faults: %v", err)
	}
	if strings.Contains(out, "would start") || strings.Contains(out, "do-not-show") {
		t.Errorf("check of faults says:\n%s", out)
	}
	if _, err := check("TLS_CERT_FILE=/nowhere", "TLS_KEY_FILE=/nowhere"); err == nil || !strings.Contains(err.Error(), "TLS_CERT_FILE") {
		t.Errorf("check of a certificate that is not there: %v", err)
	}
	var example bytes.Buffer
	if err := run(t.Context(), []string{"check", "--write-example"}, env(), &example, &example); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(example.String(), "\n#MAX_OUTBOX_BYTES: 4194304\n") {
		t.Errorf("the example = %s", &example)
	}
}

// TestHealth asks by TCP, by a unix socket, with a PROXY header, and where nobody answers.
func TestHealth(t *testing.T) {
	t.Chdir(t.TempDir())
	health := func(args []string, environment ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"health"}, args...), env(environment...), &out, &out)
		return out.String(), err
	}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "draining", http.StatusServiceUnavailable)
		}
	}))
	defer h.Close()
	address := "LISTEN=" + h.Listener.Addr().String()
	if _, err := health(nil, address); err != nil {
		t.Errorf("health of a server that is well: %v", err)
	}
	if _, err := health([]string{"--ready"}, address); err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("health --ready of a server that stops: %v", err)
	}
	h.Close()
	if _, err := health(nil, address); exitCode(err, new(bytes.Buffer)) != 1 {
		t.Errorf("health where nobody answers: %v", err)
	}
	path := filepath.Join(t.TempDir(), "s")
	p := startProcess(t, "LISTEN=127.0.0.1:0,unix:"+path, "PROXY_PROTOCOL=true", "TRUSTED_PROXIES=127.0.0.1")
	if out, err := health([]string{"--ready"}, "LISTEN=unix:"+path, "PROXY_PROTOCOL=true", "TRUSTED_PROXIES=127.0.0.1"); err != nil || out != "ready\n" {
		t.Errorf("health by a unix socket = %q, %v", out, err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(p.url, "http://"))
	if out, err := health(nil, "LISTEN=:"+port, "PROXY_PROTOCOL=true", "TRUSTED_PROXIES=127.0.0.1"); err != nil || out != "ok\n" {
		t.Errorf("health with a PROXY header = %q, %v", out, err)
	}
	url, _, _ := startSecure(t)
	if out, err := health(nil, "LISTEN="+strings.TrimPrefix(url, "https://"), "TLS_CERT_FILE=/any", "TLS_KEY_FILE=/any"); err != nil || out != "ok\n" {
		t.Errorf("health with TLS = %q, %v", out, err)
	}
}
