package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X main.version=...); without that it comes from what the Go tool recorded.
var version string

// buildVersion names this binary: the release, or the commit it was built from, or "dev".
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var commit, dirty string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if commit == "" {
		return "dev"
	}
	return commit[:min(12, len(commit))] + dirty
}

func printVersion(_ context.Context, args []string, env environment) error {
	if err := noArguments("version", args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "signalbox %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
