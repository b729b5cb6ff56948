package config

import (
	"slices"
	"strings"
	"testing"
)

const goodSecret = "a secret of the tests, 32 bytes or more"

// TestProduction holds that a server of production is not open unless its operator named what may be.
func TestProduction(t *testing.T) {
	closed := []string{"SIGNALBOX_ENV", "production", "JWT_SECRET", goodSecret, "ALLOWED_ORIGINS", "https://a.example", "REQUIRE_AUTH", "true", "METRICS_TOKEN", goodSecret}
	with := func(pairs ...string) []string { return append(slices.Clone(pairs), closed...) } // the first of a name counts
	for name, tt := range map[string]struct {
		env  []string
		want []string // what the faults say, one each
	}{
		"closed": {closed, nil},
		"nothing set": {[]string{"SIGNALBOX_ENV", "production"}, []string{
			"nothing verifies tokens; set JWT_SECRET", "add origins to ALLOW_OPEN", "add root to ALLOW_OPEN", "add tap to ALLOW_OPEN", "add events to ALLOW_OPEN", "add metrics to ALLOW_OPEN",
		}},
		"open by name": {[]string{"SIGNALBOX_ENV", "Production", "JWT_SECRET", goodSecret, "ALLOW_OPEN", "origins, ROOT,tap,events,metrics"}, nil},
		"open in part": {[]string{"SIGNALBOX_ENV", "production", "JWT_SECRET", goodSecret, "ALLOW_OPEN", "root,metrics"},
			[]string{"add origins to ALLOW_OPEN", "add tap to ALLOW_OPEN", "add events to ALLOW_OPEN"}},
		"every origin":        {with("ALLOWED_ORIGINS", "*"), []string{"pages of every website may connect"}},
		"every app":           {with("JWKS_URL", "https://id.example/keys"), []string{"set JWT_AUDIENCE=<this app>, or add audience to ALLOW_OPEN"}},
		"hooks in plain text": {with("HOOKS_URL", "http://10.0.0.1/", "HOOKS_EVENTS", "/game:*"), []string{"set HOOKS_URL=https://..., or add hooks to ALLOW_OPEN"}},
		"traces with a key, in plain text": {with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS", "k=v"),
			[]string{"set OTEL_EXPORTER_OTLP_ENDPOINT=https://..., or add traces to ALLOW_OPEN"}},
		"traces without a key":      {with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.0.0.1:4318"), nil},
		"traces to this machine":    {with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "OTEL_EXPORTER_OTLP_HEADERS", "k=v"), nil},
		"every app, by name":        {with("JWKS_URL", "https://id.example/keys", "ALLOW_OPEN", "audience"), nil},
		"one app":                   {with("JWKS_URL", "https://id.example/keys", "JWT_AUDIENCE", "app"), nil},
		"every proxy":               {with("TRUSTED_PROXIES", "10.0.0.0/8,0.0.0.0/0"), []string{"TRUSTED_PROXIES is everybody"}},
		"every proxy, version 6":    {with("TRUSTED_PROXIES", "::/0"), []string{"TRUSTED_PROXIES is everybody"}},
		"every proxy, in halves":    {with("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"), []string{"TRUSTED_PROXIES is everybody"}},
		"metrics off":               {with("METRICS", "false"), nil},
		"nothing set, not for that": {nil, nil},
	} {
		_, err := Load(env(tt.env...))
		var faults []string
		if err != nil {
			faults = strings.Split(err.Error(), "\n")
		}
		if len(faults) != len(tt.want) {
			t.Errorf("%s: %d faults, want %d:\n%v", name, len(faults), len(tt.want), err)
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(faults[i], "SIGNALBOX_ENV=production: ") || !strings.Contains(faults[i], want) {
				t.Errorf("%s: fault %q, want %q", name, faults[i], want)
			}
		}
	}
}

func TestOpeningsFault(t *testing.T) {
	for _, value := range []string{"everything", "root,all"} {
		if _, err := Load(env("ALLOW_OPEN", value)); err == nil || !strings.Contains(err.Error(), "write some of origins, root, tap, events, metrics, audience, hooks") {
			t.Errorf("ALLOW_OPEN=%s: %v, want the names that there are", value, err)
		}
	}
}
