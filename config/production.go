package config

import (
	"fmt"
	"slices"
	"strings"
)

// production is the SIGNALBOX_ENV of a server that must not be open by mistake.
const production = "production"

// Openings are names of what may be open to strangers, such as "root"; see [Config.Open].
type Openings []string

// UnmarshalText parses a comma list of names.
func (o *Openings) UnmarshalText(text []byte) error {
	var list Openings
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		switch {
		case item == "" || slices.Contains(list, item):
		case !slices.Contains(openings, item):
			return fmt.Errorf("%q is nothing that can be open; write some of %s", item, strings.Join(openings, ", "))
		default:
			list = append(list, item)
		}
	}
	*o = list
	return nil
}

// openings are the names of what [Config.Open] may return.
var openings = []string{"origins", "root", "tap", "events", "metrics", "audience", "hooks", "traces"}

// Opening is something that strangers may do.
type Opening struct {
	// Name is what ALLOW_OPEN calls it.
	Name string
	// What it lets whom do, and the setting that ends it.
	What, Setting string
	// Allowed tells that ALLOW_OPEN names it.
	Allowed bool
}

// Production reports whether the server must not be open by mistake.
func (c Config) Production() bool { return c.Env == production }

// Open returns what strangers may do, in the order of openings.
func (c Config) Open() []Opening {
	var open []Opening
	add := func(is bool, name, what, setting string) {
		if is {
			open = append(open, Opening{name, what, setting, slices.Contains(c.AllowOpen, name)})
		}
	}
	add(c.Origins().Any(), "origins", "pages of every website may connect", "ALLOWED_ORIGINS=https://app.example.com")
	add(!c.RequireAuth, "root", "everybody may be any user on /, in any room of /ws", "REQUIRE_AUTH=true JWT_SECRET=<secret>")
	add(!c.RequireAuth, "tap", "everybody may send to /tap", "REQUIRE_AUTH=true JWT_SECRET=<secret>")
	add(!c.RequireAuth, "events", "everybody may listen to /events", "REQUIRE_AUTH=true JWT_SECRET=<secret>")
	add(c.Metrics && c.MetricsToken == "", "metrics", "anybody may read /metrics", "METRICS_TOKEN=<secret>")
	add(c.JWKSURL != "" && c.JWTAudience == "", "audience", "tokens for every app of the identity provider are taken", "JWT_AUDIENCE=<this app>")
	add(c.plainHooks(), "hooks", "what clients send goes to HOOKS_URL unencrypted", "HOOKS_URL=https://...")
	add(c.plainTraces(), "traces", "OTEL_EXPORTER_OTLP_HEADERS goes to the collector unencrypted", "OTEL_EXPORTER_OTLP_ENDPOINT=https://...")
	return open
}

// productionFaults returns what keeps a server from starting in production, and what to do about each.
func (c Config) productionFaults() []error {
	var faults []error
	add := func(is bool, format string, args ...any) {
		if is {
			faults = append(faults, fmt.Errorf("SIGNALBOX_ENV=production: "+format, args...))
		}
	}
	add(c.JWTSecret == "" && c.JWKSURL == "", "nothing verifies tokens; set JWT_SECRET, made with `openssl rand -hex 32`, or JWKS_URL")
	for _, o := range c.Open() {
		add(!o.Allowed, "%s; set %s, or add %s to ALLOW_OPEN", o.What, o.Setting, o.Name)
	}
	add(c.TrustedProxies.everybody(), "TRUSTED_PROXIES is everybody, so every client writes its own address; name the proxies' networks")
	return faults
}
