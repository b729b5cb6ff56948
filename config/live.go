package config

import "reflect"

// Live reports whether a setting is taken on SIGHUP, without a restart.
func (s Setting) Live() bool { return s.tag.Get("live") != "" }

// replaced reports whether a change from old to now can be taken. What is there only while a setting is not empty can
// neither be added nor taken away: it has no key yet, or clients still.
func (s Setting) replaced(old, now reflect.Value) bool {
	return s.tag.Get("live") != "replace" || old.IsZero() == now.IsZero()
}

// Reloaded returns c with what of next can be taken without a restart, the names of the settings that were taken, and
// those that differ and wait for a restart. c and next are what was set, without what was made up for the run.
func (c Config) Reloaded(next Config) (merged Config, took, waits []string) {
	merged = c
	into, from := settings(&merged), settings(&next)
	for i, s := range into {
		switch {
		case reflect.DeepEqual(s.value.Interface(), from[i].value.Interface()):
		case !s.Live() || !s.replaced(s.value, from[i].value):
			waits = append(waits, s.Name)
		default:
			s.value.Set(from[i].value)
			took = append(took, s.Name)
		}
	}
	return merged, took, waits
}
