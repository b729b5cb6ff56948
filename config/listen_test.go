package config

import (
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	for text, want := range map[string]string{
		":3000":                            ":3000",
		"127.0.0.1:80, [::1]:80":           "127.0.0.1:80 [::1]:80",
		"unix:/run/s.sock,systemd,:0":      "unix:/run/s.sock systemd :0",
		"3000":                             `LISTEN="3000": "3000" is no address`,
		"unix:":                            `LISTEN="unix:": "unix:" is no address`,
		"127.0.0.1:http":                   `is no address`,
		",":                                "127.0.0.1:3000",
		"":                                 "127.0.0.1:3000",
		"localhost:3000,127.0.0.1:3001,,,": "localhost:3000 127.0.0.1:3001",
	} {
		cfg, err := Load(env("LISTEN", text, "HOST", "127.0.0.1"))
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("LISTEN=%s: %v, want %s", text, err, want)
			}
			continue
		}
		var got []string
		for _, a := range cfg.Addresses() {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("LISTEN=%s is %v, want %s", text, got, want)
		}
	}
}

func TestListenSocketMode(t *testing.T) {
	for text, want := range map[string]FileMode{"": 0o660, "0600": 0o600, "666": 0o666, "0o640": 0o640} {
		cfg, err := Load(env("LISTEN_SOCKET_MODE", text))
		if err != nil || cfg.ListenSocketMode != want {
			t.Errorf("LISTEN_SOCKET_MODE=%s is %o, %v, want %o", text, cfg.ListenSocketMode, err, want)
		}
	}
	if _, err := Load(env("LISTEN_SOCKET_MODE", "rw")); err == nil {
		t.Error("rw is taken for a mode")
	}
}

func TestNodeURL(t *testing.T) {
	for text, want := range map[string]NodeURL{
		"":                           "",
		"http://10.0.0.5:3000":       "http://10.0.0.5:3000",
		"https://node1.example.com/": "https://node1.example.com",
		"http://[fd00::1]:3000":      "http://[fd00::1]:3000",
		"10.0.0.5:3000":              "-",
		"http://":                    "-",
		"ftp://10.0.0.5":             "-",
		"http://10.0.0.5/socket.io":  "-",
		"http://me:pw@10.0.0.5":      "-",
		"http://10.0.0.5?x":          "-",
	} {
		cfg, err := Load(env("NODE_URL", text, "REDIS_URL", "redis://127.0.0.1"))
		if want == "-" {
			if err == nil || !strings.Contains(err.Error(), "NODE_URL=") {
				t.Errorf("NODE_URL=%s: %v, want an error", text, err)
			}
		} else if err != nil || cfg.NodeURL != want || cfg.Forwards() != (want != "") {
			t.Errorf("NODE_URL=%s is %q, %v, want %q", text, cfg.NodeURL, err, want)
		}
	}
	cfg, err := Load(env("NODE_URL", "http://10.0.0.5"))
	if err != nil || cfg.Forwards() || !strings.Contains(strings.Join(cfg.Warnings(), " "), "NODE_URL does nothing without REDIS_URL") {
		t.Errorf("without REDIS_URL: %v, %q", err, cfg.Warnings())
	}
	if _, err := Load(env("NODE_URL", "http://10.0.0.5", "PROXY_PROTOCOL", "true", "TRUSTED_PROXIES", "1")); err == nil {
		t.Error("every connection needs a PROXY header that other servers do not send")
	}
}
