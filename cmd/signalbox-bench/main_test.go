package main

import (
	"bytes"
	"io"
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
		"soak: no such fault":    {[]string{"soak", "--plant", "bug"}, "--plant bug"},
		"soak: no time":          {[]string{"soak", "--minutes", "0"}, "--minutes 0"},
		"bare: port":             {[]string{"bare", "--port", "70000"}, "--port 70000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), tt.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run(%q) = %v, want an error with %q", tt.args, err, tt.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"compare", "-h"}, {"bare", "-h"}, {"cluster", "-h"}, {"soak", "-h"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, io.Discard, &out); err != nil {
			t.Errorf("run(%q) = %v, want no error", args, err)
		}
		if !strings.Contains(out.String(), "Usage") {
			t.Errorf("run(%q) printed %q, want a usage text", args, out.String())
		}
	}
}
