package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// AnyOrigin in a list of origins stands for all of them.
const AnyOrigin = "*"

// Origins is a list of web origins as a browser sends them in the header Origin: scheme, host and, unless it is the
// scheme's own, port; lower case. "null" is what a browser sends for a page without an origin, such as a local file.
//
// Rule: https://fetch.spec.whatwg.org/#origin-header
type Origins []string

// Any reports whether the list holds every origin.
func (o Origins) Any() bool { return slices.Contains(o, AnyOrigin) }

// Contains reports whether the list holds an origin, which may be in any case.
func (o Origins) Contains(origin string) bool {
	return o.Any() || slices.Contains(o, strings.ToLower(origin))
}

// UnmarshalText parses a comma list of origins. Everything wrong with it is in the error.
func (o *Origins) UnmarshalText(text []byte) error {
	var list Origins
	var faults []string
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue // a comma at the end is no reason not to start
		}
		origin, err := parseOrigin(item)
		if err != nil {
			faults = append(faults, err.Error())
			continue
		}
		if !slices.Contains(list, origin) {
			list = append(list, origin)
		}
	}
	switch {
	case len(faults) > 0:
		return errors.New(strings.Join(faults, "; "))
	case len(list) == 0:
		return errors.New("no origin in it; write https://app.example.com, or * for all")
	case list.Any() && len(list) > 1:
		return errors.New("* beside other origins; write either * or the origins, since only a list allows cookies")
	}
	*o = list
	return nil
}

func parseOrigin(text string) (string, error) {
	if text == AnyOrigin || text == "null" {
		return text, nil
	}
	u, err := url.Parse(text)
	switch {
	case ownScheme(text):
		return strings.ToLower(text), nil
	case err != nil || u.Scheme == "" || u.Host == "" || strings.ContainsAny(text, " \t"):
		if host, ok := hostOnly(text); ok {
			return "", fmt.Errorf("%s has no scheme; write https://%s", text, host)
		}
		return "", fmt.Errorf("%s is not an origin; write scheme and host, such as https://app.example.com", text)
	case strings.Contains(u.Host, "*"):
		return "", fmt.Errorf("%s: parts of a host cannot be left open; write each origin, or * alone", text)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.ForceQuery || strings.HasSuffix(text, "#"):
		return "", fmt.Errorf("%s is more than an origin; write %s", withoutUser(u), originOf(u))
	}
	return originOf(u), nil
}

// ownScheme reports whether text is an origin of a scheme that is not the web's, in whatever form: apps send file://,
// capacitor://localhost or chrome-extension://<id>.
func ownScheme(text string) bool {
	scheme, rest, ok := strings.Cut(text, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "./*") && !strings.ContainsAny(rest, " \t*@") &&
		!slices.Contains([]string{"http", "https", "ws", "wss"}, strings.ToLower(scheme))
}

// hostOnly reports whether text is a host with an optional port, and which.
func hostOnly(text string) (string, bool) {
	u, err := url.Parse("https://" + text)
	if err != nil || u.Hostname() == "" || u.Path != "" || strings.ContainsAny(text, " \t*") {
		return "", false
	}
	return u.Host, true
}

// originOf writes an origin the way browsers do.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https", "wss":
		host = strings.TrimSuffix(host, ":443")
	case "http", "ws":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// withoutUser is the address as it was written, less a user and password.
func withoutUser(u *url.URL) string {
	shown := *u
	shown.User = nil
	return shown.String()
}
