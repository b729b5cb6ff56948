package main

import (
	"bytes"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"testing"

	"signalbox/config"
)

func TestStartText(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000}
	all := &net.TCPAddr{IP: net.IPv6unspecified, Port: 3000}
	closed, err := config.Load(env("ALLOWED_ORIGINS=https://app.example.com", "MAX_CONNECTIONS=1000", "MAX_CONNECTIONS_PER_IP=10",
		"HANDSHAKES_PER_SECOND=5", "METRICS_TOKEN=hush", "REQUIRE_AUTH=true", "JWT_SECRET="+testSecret))
	if err != nil {
		t.Fatal(err)
	}
	noMetrics := closed
	noMetrics.Metrics, noMetrics.MetricsToken = false, ""
	anybody := closed
	anybody.RequireAuth = false
	byName, err := config.Load(env("SIGNALBOX_ENV=production", "JWT_SECRET="+testSecret, "ALLOW_OPEN=origins,root,tap,events", "METRICS_TOKEN="+testSecret))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg        config.Config
		addr       net.Addr
		want, deny []string
	}{
		"nothing set": {config.Default(), all,
			[]string{"signalbox v1 listening on http://localhost:3000 (all interfaces)\n", `io("http://localhost:3000")`, "OPEN FOR TRYING OUT", "ALLOWED_ORIGINS=", "MAX_CONNECTIONS_PER_IP=", "METRICS_TOKEN=", "signalbox help"}, nil},
		"one interface": {config.Default(), local, []string{"listening on http://127.0.0.1:4000\n"}, []string{"all interfaces"}},
		"version 6":     {config.Default(), &net.TCPAddr{IP: net.IPv6loopback, Port: 1}, []string{"http://[::1]:1\n"}, nil},
		"closed":        {closed, local, []string{"http://127.0.0.1:4000"}, []string{"OPEN", "hush"}},
		"no metrics":    {noMetrics, local, nil, []string{"OPEN"}},
		"open by name":  {byName, local, []string{"OPEN, as ALLOW_OPEN says: origins, root, tap, events\n", "MAX_CONNECTIONS_PER_IP="}, []string{"TRYING OUT", "ALLOWED_ORIGINS="}},
		"no tokens":     {anybody, local, []string{"OPEN FOR TRYING OUT", "any room of /ws", "REQUIRE_AUTH=true"}, []string{"ALLOWED_ORIGINS="}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := startText(tt.cfg, tt.addr, "v1")
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("start text lacks %q:\n%s", want, text)
				}
			}
			for _, deny := range tt.deny {
				if strings.Contains(text, deny) {
					t.Errorf("start text has %q:\n%s", deny, text)
				}
			}
			if lines := strings.Count(text, "\n"); lines > 20 {
				t.Errorf("start text has %d lines, want a few", lines)
			}
		})
	}
}

func TestVersionOf(t *testing.T) {
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: modified}}
	}
	for name, tt := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"release":         {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		"commit":          {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("false")}, "0123456789ab"},
		"changed commit":  {debug.BuildInfo{Settings: vcs("true")}, "0123456789ab+changes"},
		"nothing is told": {debug.BuildInfo{}, "dev"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := versionOf(&tt.info); got != tt.want {
				t.Errorf("versionOf = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestProductionDoesNotStartOpen: the error is the list of what to set, or to allow by name.
func TestProductionDoesNotStartOpen(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), nil, env("SIGNALBOX_ENV=production", "PORT=0", "HOST=127.0.0.1"), &out, io.Discard)
	if err == nil || out.Len() > 0 {
		t.Fatalf("an open server of production started: %v\n%s", err, out.String())
	}
	for _, want := range []string{"JWT_SECRET", "add origins to ALLOW_OPEN", "add root to ALLOW_OPEN", "add tap to ALLOW_OPEN", "add events to ALLOW_OPEN", "METRICS_TOKEN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}
