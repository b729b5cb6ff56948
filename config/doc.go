// Package config owns the settings: their names, units, defaults and limits, and how they are read.
//
// Settings come from the environment and, where the working directory has one, from the file .env; the environment wins.
// They are read once, before anything starts. [Load] reports every fault in one error, each in words that say what to
// write instead. The tags of [Config] are the only place where a setting is described: `signalbox help`, docs/settings.md
// and the table in the README are printed from them.
//
// The package knows nothing about what its values are used for.
package config
