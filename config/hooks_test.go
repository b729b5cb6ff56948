package config

import (
	"strings"
	"testing"
)

const workerKey = "0123456789abcdef0123456789abcdef"

func TestHooksThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		env  []string
		want string
	}{
		"nowhere to send to":      {[]string{"HOOKS_EVENTS", "/game:*"}, "set HOOKS_URL"},
		"nothing to send":         {[]string{"HOOKS_URL", "https://app.example"}, "set HOOKS_EVENTS"},
		"no URL":                  {[]string{"HOOKS_URL", "app.example", "HOOKS_EVENTS", "/game:*"}, "not a URL to post to"},
		"another protocol":        {[]string{"HOOKS_URL", "ftp://app.example", "HOOKS_EVENTS", "/game:*"}, "not a URL to post to"},
		"a notice of no kind":     {[]string{"HOOKS_URL", "https://app.example", "HOOKS_NOTIFY", "all"}, "HOOKS_NOTIFY"},
		"notices of who is there": {[]string{"HOOKS_URL", "https://app.example", "HOOKS_NOTIFY", "disconnect, online,vacated"}, ""},
		"online without the end":  {[]string{"HOOKS_URL", "https://app.example", "HOOKS_NOTIFY", "online"}, "write disconnect"},
		"a wait that is longer":   {[]string{"HOOKS_URL", "https://app.example", "HOOKS_EVENTS", "/game:*", "CONNECT_TIMEOUT", "5s"}, "HOOKS_CONNECT_WAIT"},
		"workers without a key":   {[]string{"WORKER_EVENTS", "/game:*"}, "set WORKER_KEY"},
		"workers for nothing":     {[]string{"WORKER_KEY", workerKey}, "set WORKER_EVENTS"},
		"a short worker key":      {[]string{"WORKER_KEY", "short", "WORKER_EVENTS", "/game:*"}, "WORKER_KEY has 5 bytes"},
		"one key for both":        {[]string{"WORKER_KEY", workerKey, "WORKER_EVENTS", "/game:*", "API_KEY", workerKey}, "WORKER_KEY is API_KEY"},
		"workers":                 {[]string{"WORKER_KEY", workerKey, "WORKER_EVENTS", "/game:*", "HOOKS_NOTIFY", "disconnect"}, ""},
		"good":                    {[]string{"HOOKS_URL", "https://app.example", "HOOKS_EVENTS", "/game:*", "HOOKS_NOTIFY", "disconnect"}, ""},
	} {
		_, err := Load(env(tc.env...))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
