package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"signalbox/server/auth"
)

const tokenTestSecret = "an HS256 secret for tests, 32 bytes and more"

// runToken runs signalbox token in an empty folder with the settings given.
func runToken(t *testing.T, settings map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errs strings.Builder
	err = token(t.Context(), args, environment{getenv: func(name string) string { return settings[name] }, stdout: &out, stderr: &errs})
	return out.String(), errs.String(), err
}

// verified returns whom the one line on standard output speaks for.
func verified(t *testing.T, cfg auth.Config, stdout string) *auth.Identity {
	t.Helper()
	line, rest, ok := strings.Cut(stdout, "\n")
	if !ok || rest != "" {
		t.Fatalf("standard output is %q, want one line", stdout)
	}
	v, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	id, err := v.Verify(line)
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	return id
}

func TestToken(t *testing.T) {
	settings := map[string]string{"JWT_SECRET": tokenTestSecret}
	for name, c := range map[string]struct {
		args         []string
		user, name   string
		open, closed []string
		scope        bool
		ttl          time.Duration
	}{
		"user alone":       {[]string{"--sub", "42"}, "42", "42", []string{"a", "team-1"}, nil, false, time.Hour},
		"one dash, equals": {[]string{"-sub=42", "-ttl=30m"}, "42", "42", []string{"a"}, nil, false, 30 * time.Minute},
		"everything": {[]string{"--sub", "42", "--name", "Ada L", "--rooms", "team-*,all", "--scope", "tap", "--ttl", "24h"},
			"42", "Ada L", []string{"team-1", "all"}, []string{"other"}, true, 24 * time.Hour},
		"rooms twice": {[]string{"--sub", "42", "--rooms", "a, b", "--rooms", "c"}, "42", "42", []string{"a", "b", "c"}, []string{"d", " b"}, false, time.Hour},
		"no room":     {[]string{"--sub", "42", "--rooms", ""}, "42", "42", nil, []string{"a", ""}, false, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			before := time.Now()
			stdout, stderr, err := runToken(t, settings, c.args...)
			if err != nil || stderr != "" {
				t.Fatalf("token = %v, says %q", err, stderr)
			}
			id := verified(t, auth.Config{Secret: tokenTestSecret}, stdout)
			if id.UserID() != c.user || id.Name() != c.name || id.HasScope("tap") != c.scope {
				t.Errorf("identity = %+v", id)
			}
			if left := id.Expires().Sub(before); left > c.ttl+time.Minute || left < c.ttl-time.Second {
				t.Errorf("it is good for %v, want %v", left, c.ttl)
			}
			for _, room := range c.open {
				if !id.CanJoin(room) {
					t.Errorf("room %q is closed", room)
				}
			}
			for _, room := range c.closed {
				if id.CanJoin(room) {
					t.Errorf("room %q is open", room)
				}
			}
		})
	}
}

func TestTokenFollowsTheServersSettings(t *testing.T) {
	stdout, _, err := runToken(t, map[string]string{"JWT_SECRET": tokenTestSecret, "JWT_ISSUER": "me", "JWT_AUDIENCE": "you"}, "--sub", "42")
	if err != nil {
		t.Fatal(err)
	}
	verified(t, auth.Config{Secret: tokenTestSecret, Issuer: "me", Audience: "you", RequireExpiry: true}, stdout)
}

func TestTokenReadsDotEnv(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(settingsFile, []byte("JWT_SECRET=\""+tokenTestSecret+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	err := token(t.Context(), []string{"--sub", "42"}, environment{getenv: func(string) string { return "" }, stdout: &out, stderr: &errs})
	if err != nil {
		t.Fatal(err)
	}
	verified(t, auth.Config{Secret: tokenTestSecret}, out.String())
}

func TestTokenWarnsOfAShortSecret(t *testing.T) {
	stdout, stderr, err := runToken(t, map[string]string{"JWT_SECRET": "sixteen bytes, ok"}, "--sub", "42")
	if err != nil || !strings.Contains(stderr, "openssl rand") || strings.Contains(stderr, "sixteen bytes") {
		t.Errorf("token = %v, says %q, want a warning without the secret", err, stderr)
	}
	verified(t, auth.Config{Secret: "sixteen bytes, ok"}, stdout)
}

func TestTokenHelp(t *testing.T) {
	for _, flag := range []string{"-h", "--help"} {
		stdout, stderr, err := runToken(t, nil, flag)
		if err != nil || stdout != tokenHelp || stderr != "" {
			t.Errorf("token %s = %v, %q, %q, want the help", flag, err, stdout, stderr)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	with := map[string]string{"JWT_SECRET": tokenTestSecret}
	for name, c := range map[string]struct {
		settings map[string]string
		args     []string
		usage    bool
		want     string
	}{
		"no user":         {with, nil, true, "--sub is missing"},
		"an empty user":   {with, []string{"--sub", ""}, true, "--sub is missing"},
		"an unknown flag": {with, []string{"--sub", "42", "--admin"}, true, "admin"},
		"an open pattern": {with, []string{"--sub", "42", "--rooms", "team-a", "team-b"}, true, "quotes"},
		"no such length":  {with, []string{"--sub", "42", "--ttl", "7d"}, true, "30m, 1h or 24h"},
		"no length":       {with, []string{"--sub", "42", "--ttl", "0s"}, true, "one second"},
		"an empty room":   {with, []string{"--sub", "42", "--rooms", "a,,b"}, true, "empty name"},
		"a * in a room":   {with, []string{"--sub", "42", "--rooms", "a*b"}, false, "not at its end"},
		"no secret":       {nil, []string{"--sub", "42"}, false, "JWT_SECRET=... signalbox token"},
		"only a JWKS URL": {map[string]string{"JWKS_URL": "https://id.example/jwks"}, []string{"--sub", "42"}, false, "identity provider"},
		"a weak secret":   {map[string]string{"JWT_SECRET": "hunter2"}, []string{"--sub", "42"}, false, "at least 16"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := runToken(t, c.settings, c.args...)
			if err == nil || stdout != "" || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("token = %v, prints %q, want an error with %q", err, stdout, c.want)
			}
			if errors.Is(err, errUsage) != c.usage {
				t.Errorf("token = %v, a usage error: %v, want %v", err, !c.usage, c.usage)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("token = %v, which holds the secret", err)
			}
		})
	}
}
