package config

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the settings table of the README")

const (
	readme     = "../README.md"
	tableBegin = "<!-- settings: written by go test ./config -update -->\n"
	tableEnd   = "<!-- settings end -->\n"
)

func TestReadmeTable(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	shown, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no lines %q and %q", readme, tableBegin, tableEnd)
	}
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if shown == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the settings table of the README is not that of config.Config; run go test ./config -update\ngot:\n%s\nwant:\n%s", shown, want.String())
	}
	if err := os.WriteFile(readme, []byte(before+tableBegin+want.String()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEverySettingIsDescribed(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Settings() {
		if s.Name == "" || s.Doc == "" || s.Unit == "" {
			t.Errorf("setting %+v lacks a name, a unit or a text", s)
		}
		if seen[s.Name] {
			t.Errorf("setting %s is there twice", s.Name)
		}
		seen[s.Name] = true
		switch s.Unit {
		case "number", "bytes", "duration":
			if s.tag.Get("min") == "" || s.tag.Get("max") == "" {
				t.Errorf("setting %s has no range", s.Name)
			}
		}
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	var help bytes.Buffer
	if err := WriteHelp(&help); err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings() {
		if !strings.Contains(help.String(), "  "+s.Name+" (") {
			t.Errorf("help does not name %s", s.Name)
		}
	}
	for line := range strings.Lines(help.String()) {
		if len(line) > 101 {
			t.Errorf("help has a line of %d columns: %s", len(line)-1, line)
		}
	}
}
