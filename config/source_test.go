package config

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// source writes a file for CONFIG and reads it.
func source(t *testing.T, text string, environment ...string) (*Source, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.yaml")
	write(t, path, text)
	return ReadSource(env(append(environment, "CONFIG", path)...), filepath.Join(t.TempDir(), ".env"))
}

func TestYAML(t *testing.T) {
	s, err := source(t, `
# comment
PORT: 4000
LISTEN_SOCKET_MODE: 0600
MAX_PAYLOAD_BYTES: 2_000_000
METRICS: false
JWT_SECRET: "0123456789abcdef: #"
ALLOWED_ORIGINS:
  - https://a.example.com
  - https://b.example.com
PING_INTERVAL: 30s # behind it
HANDSHAKES_PER_SECOND: 1.5
HISTORY_DB:
LOG_LEVEL: debug
`, "LOG_LEVEL", "warn")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(s.Get)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 4000 || cfg.ListenSocketMode != 0o600 || cfg.MaxPayloadBytes != 2_000_000 || cfg.Metrics ||
		cfg.JWTSecret != "0123456789abcdef: #" || len(cfg.AllowedOrigins) != 2 || cfg.PingInterval.Seconds() != 30 || cfg.HandshakesPerSecond != 1.5 {
		t.Errorf("the file is read as %+v", cfg)
	}
	for name, want := range map[string]string{"LOG_LEVEL": "environment", "HOST": "default", "HISTORY_DB": "default"} {
		if got := s.Origin(name); got != want {
			t.Errorf("%s comes from %s, want %s", name, got, want)
		}
	}
	if got := s.Origin("PORT"); !strings.HasSuffix(got, "s.yaml") {
		t.Errorf("PORT comes from %s", got)
	}
	var out bytes.Buffer
	if err := s.WriteInForce(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "0123456789abcdef") || !strings.Contains(text, "[hidden]") {
		t.Errorf("what is in force shows a secret, or does not say that it is set:\n%s", text)
	}
}

func TestYAMLFaults(t *testing.T) {
	for text, want := range map[string]string{
		"PRT: 4000\nJWT_SECRT: hush\n": "line 1: there is no setting \"PRT\"\nline 2: there is no setting \"JWT_SECRT\"",
		"PORT: 1\nPORT: 2\n":           "PORT",
		"PORT: {a: hush}\n":            "line 1: PORT is no value",
		"- hush\n":                     "write NAME: value",
		"PORT: [hush\n":                "it is not YAML",
		"hush":                         "write NAME: value",
	} {
		_, err := source(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("of %q: %v, want %q and no value", text, err, want)
		}
	}
	for _, empty := range []string{"", "# nothing\n"} {
		if _, err := source(t, empty); err != nil {
			t.Errorf("an empty file: %v", err)
		}
	}
	if _, err := ReadSource(env("CONFIG", "/nowhere/s.yaml"), ".env"); err == nil {
		t.Error("a file that is not there is taken")
	}
}

// TestExample can be used as it is, and with every default set.
func TestExample(t *testing.T) {
	var out bytes.Buffer
	if err := WriteExample(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := source(t, out.String()); err != nil {
		t.Errorf("the example is refused: %v", err)
	}
	var set strings.Builder
	for line := range strings.Lines(out.String()) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		set.WriteString(line)
	}
	s, err := source(t, set.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(s.Get); err != nil {
		t.Errorf("the example with every default set: %v", err)
	}
}

func TestReloaded(t *testing.T) {
	load := func(pairs ...string) Config {
		t.Helper()
		cfg, err := Load(env(pairs...))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	old := load("PORT", "1", "JWT_SECRET", "0123456789abcdef", "MAX_CONNECTIONS", "5")
	next := load("PORT", "2", "JWT_SECRET", "fedcba9876543210", "MAX_CONNECTIONS", "6", "API_KEY", "0123456789abcdef", "ALLOWED_ORIGINS", "https://a.example.com",
		"HOOKS_URL", "https://app.example.com", "HOOKS_EVENTS", "/game:*", "HOOKS_TIMEOUT", "1s")
	merged, took, waits := old.Reloaded(next)
	if !slices.Equal(took, []string{"ALLOWED_ORIGINS", "JWT_SECRET", "MAX_CONNECTIONS", "HOOKS_TIMEOUT"}) ||
		!slices.Equal(waits, []string{"PORT", "API_KEY", "HOOKS_URL", "HOOKS_EVENTS"}) {
		t.Errorf("took %v, wait %v", took, waits)
	}
	if merged.Port != 1 || merged.MaxConnections != 6 || merged.JWTSecret != next.JWTSecret || merged.APIKey != "" || len(merged.AllowedOrigins) != 1 {
		t.Errorf("merged = %+v", merged)
	}
	if _, took, waits := old.Reloaded(old); len(took)+len(waits) > 0 {
		t.Errorf("nothing has changed, took %v, wait %v", took, waits)
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("PORT: 4000\nALLOWED_ORIGINS: [https://a.example.com]\n"))
	f.Add([]byte("PORT: |\n  x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if values, err := parseYAML(text); err == nil {
			for name := range values {
				if !known(name) {
					t.Errorf("a setting %q", name)
				}
			}
		}
	})
}
