package bench

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestFlagsThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown flag":           {[]string{"--nonsense"}, "nonsense"},
		"unknown scenario":       {[]string{"--scenario", "burst,bust"}, `no scenario "bust"`},
		"argument":               {[]string{"burst"}, `unexpected argument "burst"`},
		"no clients":             {[]string{"--idle-clients", "0"}, "--idle-clients 0"},
		"too many clients":       {[]string{"--steady-members", "1000000"}, "--steady-members 1000000"},
		"one in user to user":    {[]string{"--pairs-clients", "1"}, "--pairs-clients 1"},
		"no rate":                {[]string{"--pairs-rate", "0"}, "--pairs-rate 0"},
		"rate that is no number": {[]string{"--pairs-rate", "NaN"}, "--pairs-rate NaN"},
		"negative time":          {[]string{"--steady-time", "-1s"}, "--steady-time -1s"},
		"no publishes":           {[]string{"--publish-calls", "0"}, "--publish-calls 0"},
		"no messages in rooms":   {[]string{"--say-messages", "0"}, "--say-messages 0"},
		"wrong scheme":           {[]string{"--url", "ftp://localhost"}, "write it as http://"},
		"no host":                {[]string{"--url", "http://"}, "host is missing"},
		"no such process":        {[]string{"--pid", "4194304"}, "process 4194304"},
		"compare: server":        {[]string{"compare", "--servers", "node,deno"}, `no server "deno"`},
		"compare: runs":          {[]string{"compare", "--runs", "0"}, "--runs 0"},
		"compare: argument":      {[]string{"compare", "now"}, `unexpected argument "now"`},
		"compare: clients":       {[]string{"compare", "--idle-clients", "-1"}, "--idle-clients -1"},
		"bare: port":             {[]string{"bare", "--port", "70000"}, "--port 70000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Run(t.Context(), tt.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run(%q) = %v, want an error with %q", tt.args, err, tt.want)
			}
		})
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := parseOptions([]string{"--burst-rounds", "0", "--deadline", "0s", "--slow-rate", "-1"}, io.Discard)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--burst-rounds", "--deadline", "--slow-rate"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %q", want, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if doors, cluster := 6, 5; len(o.scenarios) != len(scenarios())-1-doors-cluster {
		t.Errorf("%d scenarios by default, want all but limits, the doors and those of clusters", len(o.scenarios))
	}
	if o.burstMembers != 500 || o.pairsRate != 15000 || !slices.Equal(o.urls, []string{"http://127.0.0.1:3000"}) {
		t.Errorf("defaults = %+v", o.sizes)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"compare", "-h"}, {"bare", "-h"}} {
		var out bytes.Buffer
		if err := Run(t.Context(), args, io.Discard, &out); err != nil {
			t.Errorf("Run(%q) = %v, want no error", args, err)
		}
		if !strings.Contains(out.String(), "Usage") {
			t.Errorf("Run(%q) printed %q, want a usage text", args, out.String())
		}
	}
}

func TestNewTarget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		url, path              string
		addr, host, socketPath string
		tls                    bool
	}{
		"port":        {"http://127.0.0.1:3000", "/socket.io/", "127.0.0.1:3000", "127.0.0.1:3000", "/socket.io/", false},
		"no port":     {"http://example.test", "socket.io", "example.test:80", "example.test", "/socket.io/", false},
		"tls":         {"https://example.test", "/x", "example.test:443", "example.test", "/x/", true},
		"ipv6":        {"ws://[::1]", "/socket.io", "[::1]:80", "[::1]", "/socket.io/", false},
		"trailing /":  {"http://h:1/", "/socket.io/", "h:1", "h:1", "/socket.io/", false},
		"wss and all": {"wss://h:1", "/socket.io/", "h:1", "h:1", "/socket.io/", true},
	}
	for name, tt := range tests {
		got, err := newTarget(tt.url, tt.path)
		if err != nil || got.addr != tt.addr || got.host != tt.host || got.path != tt.socketPath || (got.tls != nil) != tt.tls {
			t.Errorf("%s: newTarget(%q, %q) = %+v, %v", name, tt.url, tt.path, got, err)
		}
	}
}
