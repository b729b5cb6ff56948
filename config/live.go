package config

import (
	"reflect"
	"slices"
	"strings"
)

// Live reports whether a setting is taken on SIGHUP, without a restart.
func (s Setting) Live() bool { return s.tag.Get("live") == "true" }

// Reloaded returns c with what of next can be taken without a restart, the names of the settings that were taken, and
// those that differ and wait for a restart. c and next are what was set, without what was made up for the run.
func (c Config) Reloaded(next Config) (merged Config, took, waits []string) {
	merged = c
	into, from := settings(&merged), settings(&next)
	for i, s := range into {
		switch {
		case reflect.DeepEqual(s.value.Interface(), from[i].value.Interface()):
		case !s.Live():
			waits = append(waits, s.Name)
		default:
			s.value.Set(from[i].value)
			took = append(took, s.Name)
		}
	}
	// A door that was closed has no key, and one that is to be closed has clients: both take a restart.
	for _, keep := range []struct {
		name     string
		old, now *Secret
	}{{"JWT_SECRET", &c.JWTSecret, &merged.JWTSecret}, {"API_KEY", &c.APIKey, &merged.APIKey}} {
		if (*keep.old == "") != (*keep.now == "") {
			*keep.now = *keep.old
			took = slices.DeleteFunc(took, func(n string) bool { return n == keep.name })
			waits = append(waits, keep.name)
		}
	}
	return merged, took, waits
}

// liveNames lists the settings that SIGHUP takes, for the documentation.
func liveNames() string {
	var names []string
	for _, s := range Settings() {
		if s.Live() {
			names = append(names, "`"+s.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}
