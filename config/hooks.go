package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// notices are what HOOKS_NOTIFY may name.
var notices = []string{"disconnect", "online", "offline", "occupied", "vacated"}

// hooksFaults returns what cannot be of the settings for the application's own logic.
func (c Config) hooksFaults() []error {
	faults := c.workerFaults()
	notify := List(c.HooksNotify)
	for _, kind := range notify {
		if !slices.Contains(notices, kind) || !slices.Contains(notify, notices[0]) {
			faults = append(faults, fmt.Errorf("HOOKS_NOTIFY=%s: write disconnect, and behind it some of %s", c.HooksNotify, strings.Join(notices[1:], ", ")))
			break
		}
	}
	if (c.HooksURL != "" || c.WorkerKey != "") && c.HooksConnectWait >= c.ConnectTimeout {
		faults = append(faults, fmt.Errorf("HOOKS_CONNECT_WAIT=%s: CONNECT_TIMEOUT, %s, ends the connection before; write a shorter one", c.HooksConnectWait, c.ConnectTimeout))
	}
	if c.HooksURL == "" {
		if c.HooksEvents != "" || c.HooksNotify != "" && c.WorkerKey == "" {
			faults = append(faults, errors.New("HOOKS_EVENTS, HOOKS_NOTIFY: there is nowhere to send to; set HOOKS_URL"))
		}
		return faults
	}
	u, err := url.Parse(c.HooksURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		faults = append(faults, errors.New("HOOKS_URL: not a URL to post to; write it like https://app.example.com/hooks"))
	}
	if c.HooksEvents == "" && c.HooksNotify == "" {
		faults = append(faults, errors.New("HOOKS_URL: nothing would be sent there; set HOOKS_EVENTS, such as /game:*, or HOOKS_NOTIFY=disconnect"))
	}
	return faults
}

// minWorkerKeyBytes is how long WORKER_KEY is at least: who has it reads what everybody sends.
const minWorkerKeyBytes = 32

func (c Config) workerFaults() []error {
	switch {
	case c.WorkerKey == "" && c.WorkerEvents == "":
		return nil
	case c.WorkerKey == "":
		return []error{errors.New("WORKER_EVENTS: nobody can claim them; set WORKER_KEY, made with `openssl rand -hex 32`")}
	case len(c.WorkerKey) < minWorkerKeyBytes:
		return []error{fmt.Errorf("WORKER_KEY has %d bytes, and needs %d: make one with `openssl rand -hex 32`", len(c.WorkerKey), minWorkerKeyBytes)}
	case c.WorkerEvents == "":
		return []error{errors.New("WORKER_KEY: nothing may be claimed with it; set WORKER_EVENTS, such as /game:*")}
	case c.WorkerKey == c.APIKey:
		return []error{errors.New("WORKER_KEY is API_KEY: who may call the API would read what everybody sends; make one of its own")}
	}
	return nil
}

// plainHooks reports whether what clients send goes to the backend unencrypted.
func (c Config) plainHooks() bool {
	return c.HooksURL != "" && !strings.HasPrefix(strings.ToLower(c.HooksURL), "https://")
}

// List returns the items of a list with commas between, without the space around them.
func List(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
