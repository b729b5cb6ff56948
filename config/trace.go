package config

import (
	"errors"
	"net/url"
	"strings"
)

// TraceURL is where a collector of traces is.
type TraceURL string

// UnmarshalText parses a URL.
func (t *TraceURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("not where a collector is; write http://127.0.0.1:4318")
	case u.User != nil:
		return errors.New("no password here; write it into OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20...")
	case u.Port() == "4317":
		return errors.New("4317 is the port for gRPC; write that for HTTP, which by itself is 4318")
	}
	*t = TraceURL(text)
	return nil
}

// TracesURL returns where traces go; "": nowhere.
func (c Config) TracesURL() string {
	if c.TracesEndpoint != "" || c.TraceEndpoint == "" {
		return string(c.TracesEndpoint)
	}
	return strings.TrimSuffix(string(c.TraceEndpoint), "/") + "/v1/traces"
}

// plainTraces reports whether the key for the collector crosses a network unencrypted.
func (c Config) plainTraces() bool {
	u, err := url.Parse(c.TracesURL())
	return err == nil && u.Scheme == "http" && c.TraceHeaders != "" && !LoopbackHost(u.Host)
}
