package main

import (
	"fmt"
	"net"

	"signalbox/config"
	"signalbox/server/api"
)

// withAPIKey returns cfg with a key made up for this run, and whether it was: where given, the settings without what was
// made up, are those of a server that is tried out. Elsewhere the API stays off.
func withAPIKey(cfg, given config.Config) (config.Config, bool) {
	if !given.TryOut(nil) {
		return cfg, false
	}
	cfg.APIKey = config.Secret(api.NewKey())
	return cfg, true
}

// apiKeyText prints the key that was made up, in a command that works when pasted.
func apiKeyText(cfg config.Config, addr net.Addr) string {
	return fmt.Sprintf(`
API_KEY is not set: this run made one up, for what backends may do. It is good until the server ends:
  curl %s/api/emit -H 'Authorization: Bearer %s' \
    -d '{"users":[1],"event":"hello","args":[{"text":"from a backend"}]}'
`, localURL(cfg, addr), string(cfg.APIKey))
}
