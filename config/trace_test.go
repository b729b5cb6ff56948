package config

import (
	"strings"
	"testing"
)

func TestTracesURL(t *testing.T) {
	const base, whole = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for name, tt := range map[string]struct {
		env         []string
		want, fault string
	}{
		"nothing":          {nil, "", ""},
		"a collector":      {[]string{base, "http://127.0.0.1:4318/"}, "http://127.0.0.1:4318/v1/traces", ""},
		"below a path":     {[]string{base, "https://otel.example/in"}, "https://otel.example/in/v1/traces", ""},
		"a whole URL":      {[]string{base, "http://127.0.0.1:4318", whole, "http://127.0.0.1:9/x"}, "http://127.0.0.1:9/x", ""},
		"no scheme":        {[]string{base, "127.0.0.1:4318"}, "", "write http://127.0.0.1:4318"},
		"the port of gRPC": {[]string{base, "http://127.0.0.1:4317"}, "", "4317 is the port for gRPC"},
		"a password":       {[]string{whole, "https://ann:pass@otel.example/"}, "", "OTEL_EXPORTER_OTLP_HEADERS"},
		"a part of 2":      {[]string{"OTEL_TRACES_SAMPLER_ARG", "2"}, "", "a number from 0 to 1"},
	} {
		cfg, err := Load(env(tt.env...))
		switch {
		case tt.fault == "" && (err != nil || cfg.TracesURL() != tt.want):
			t.Errorf("%s: %q, %v, want %q", name, cfg.TracesURL(), err, tt.want)
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
			t.Errorf("%s: %v, want %q in it", name, err, tt.fault)
		}
	}
}
