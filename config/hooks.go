package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// hooksFaults returns what cannot be of the settings for the application's own logic.
func (c Config) hooksFaults() []error {
	var faults []error
	if c.HooksURL == "" {
		if c.HooksEvents != "" || c.HooksNotify != "" {
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
	if c.HooksConnectWait >= c.ConnectTimeout {
		faults = append(faults, fmt.Errorf("HOOKS_CONNECT_WAIT=%s: CONNECT_TIMEOUT, %s, ends the connection before; write a shorter one", c.HooksConnectWait, c.ConnectTimeout))
	}
	return faults
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
