package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	const value = "tell-nobody"
	cfg, err := Load(env("METRICS_TOKEN", value))
	if err != nil {
		t.Fatal(err)
	}
	if string(cfg.MetricsToken) != value {
		t.Fatalf("the secret itself = %q, want %q", string(cfg.MetricsToken), value)
	}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&printed, verb+"\n"+verb+"\n"+verb+"\n", cfg, &cfg, cfg.MetricsToken)
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(encoded)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("json", "config", cfg, "token", cfg.MetricsToken)
	slog.New(slog.NewTextHandler(&printed, nil)).Info("text", "config", cfg, "token", cfg.MetricsToken)
	for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("the secret shows as %q in:\n%s", form, printed.String())
		}
	}
	if !strings.Contains(printed.String(), "[hidden]") {
		t.Error("nothing says that a secret is set")
	}
}

func TestEmptySecretShowsAsEmpty(t *testing.T) {
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("an empty secret prints as %q, want nothing", got)
	}
}

func TestOriginsContains(t *testing.T) {
	list := Origins{"https://a.example", "null"}
	for origin, want := range map[string]bool{
		"https://a.example":      true,
		"HTTPS://A.EXAMPLE":      true,
		"null":                   true,
		"https://a.example.evil": false,
		"http://a.example":       false,
		"https://a.example:8443": false,
		"":                       false,
		"*":                      false,
	} {
		if got := list.Contains(origin); got != want {
			t.Errorf("%v.Contains(%q) = %v, want %v", list, origin, got, want)
		}
	}
	if !(Origins{AnyOrigin}).Contains("https://anything.example") {
		t.Error("* does not contain an origin")
	}
}

func TestProxiesContains(t *testing.T) {
	var p Proxies
	if err := p.UnmarshalText([]byte("10.1.2.3/8, 192.0.2.7, 2001:db8::/32, ::ffff:198.51.100.1")); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"10.200.0.1":   true, // the host bits of 10.1.2.3/8 do not count
		"192.0.2.7":    true,
		"192.0.2.8":    false,
		"2001:db8::1":  true,
		"2001:db9::1":  false,
		"198.51.100.1": true,
	} {
		if got := p.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Contains(%s) = %v, want %v", addr, got, want)
		}
	}
	if (Proxies{}).Contains(netip.MustParseAddr("127.0.0.1")) {
		t.Error("without a setting somebody is trusted")
	}
}
