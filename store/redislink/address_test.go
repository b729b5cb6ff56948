package redislink

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]address{
		"redis://localhost":                    {hosts: []string{"localhost:6379"}},
		"redis://localhost:6380/":              {hosts: []string{"localhost:6380"}},
		"redis://:pw@h:1/2":                    {hosts: []string{"h:1"}, password: "pw", db: 2},
		"rediss://h:p%40ss%2Fw%25@10.0.0.1:16": {tls: true, hosts: []string{"10.0.0.1:16"}, user: "h", password: "p@ss/w%"},
		"redis://u:p@ss@h":                     {hosts: []string{"h:6379"}, user: "u", password: "p@ss"},
		"redis://u:p:w@h":                      {hosts: []string{"h:6379"}, user: "u", password: "p:w"},
		" REDIS://[::1]:7/1 ":                  {hosts: []string{"[::1]:7"}, db: 1},
		"redis://[::1]":                        {hosts: []string{"[::1]:6379"}},
		"redis+sentinel://u:p@a:1,b/main/3":    {kind: sentinel, hosts: []string{"a:1", "b:26379"}, user: "u", password: "p", master: "main", db: 3},
		"rediss+sentinel://a/main?sentinel_username=x&sentinel_password=y%26": {
			kind: sentinel, tls: true, hosts: []string{"a:26379"}, master: "main", sentinelUser: "x", sentinelPassword: "y&"},
		"redis+cluster://a:1, b:2/": {kind: cluster, hosts: []string{"a:1", "b:2"}},
		"rediss+cluster://:p@a/0":   {kind: cluster, tls: true, hosts: []string{"a:6379"}, password: "p"},
	} {
		got, err := parseAddress(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseAddress(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	const secret = "hunter2"
	for text, want := range map[string]string{
		"":                                  "write redis://",
		"localhost:6379":                    "write redis://",
		"http://localhost":                  "write redis://",
		"unix:///run/redis.sock":            "write redis://",
		"redis://":                          "no host",
		"redis://:hunter2@":                 "no host",
		"redis://:hunter2@h:0":              "is no port",
		"redis://:hunter2@h:99999":          "is no port",
		"redis://:hunter2@h:port":           "is no port",
		"redis://::1":                       "in brackets",
		"redis://:hun/ter2@h":               "%2F",
		"redis://:hunter2#x@h":              "%23",
		"redis://:hunter2%zz@h":             "%25",
		"redis://:hunter2@h/x":              "no number of a database",
		"redis://:hunter2@h/-1":             "no number of a database",
		"redis://:hunter2@h/0/1":            "no number of a database",
		"redis://:hunter2@a,b":              "redis+sentinel://",
		"redis://:hunter2@h?db=1":           "no setting",
		"redis+sentinel://:hunter2@h":       "master-name",
		"redis+sentinel://:hunter2@h/":      "master-name",
		"redis+sentinel://:hunter2@h/%zz":   "master-name",
		"redis+cluster://:hunter2@h/1":      "no database but 0",
		"redis+sentinel://h/m?a=hunter2%zz": "sentinel_username=",
		"redis+cluster://h?sentinel_user=1": "no setting",
	} {
		_, err := parseAddress(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseAddress(%q) = %v, want an error with %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error of %q has the password in it: %v", text, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"redis://u:p@h:1/2", "redis+sentinel://a:1,b/m/3?sentinel_password=x", "rediss+cluster://[::1]:1,,", "redis://%", "redis://@:@/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		if len(a.hosts) == 0 || a.kind == sentinel && a.master == "" || a.kind == cluster && a.db != 0 {
			t.Errorf("parseAddress(%q) = %+v", text, a)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":                   {},
		"certificates without TLS": {URL: "redis://h", InsecureTLS: true},
		"a queue below zero":       {URL: "redis://h", QueueBytes: -1},
		"a time below zero":        {URL: "redis://h", Timeout: -1},
	} {
		if l, err := Open(o); err == nil {
			l.Close()
			t.Errorf("%s: Open = nil, want an error", name)
		}
	}
}
