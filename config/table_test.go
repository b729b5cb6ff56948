package config

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the settings in the README and docs/settings.md")

const (
	tableBegin = "<!-- settings: written by go test ./config -update -->\n"
	tableEnd   = "<!-- settings end -->\n"
)

// TestTables holds what the documents say of settings against the tags of [Config].
func TestTables(t *testing.T) {
	for doc, write := range map[string]func(io.Writer) error{"../README.md": writeEssentials, "../docs/settings.md": writeMarkdown} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok := strings.Cut(string(text), tableBegin)
		shown, after, ok2 := strings.Cut(rest, tableEnd)
		if !ok || !ok2 {
			t.Fatalf("%s has no lines %q and %q", doc, tableBegin, tableEnd)
		}
		var want bytes.Buffer
		if err := write(&want); err != nil {
			t.Fatal(err)
		}
		if shown == want.String() {
			continue
		}
		if !*update {
			t.Fatalf("the settings in %s are not those of config.Config; run go test ./config -update\ngot:\n%s\nwant:\n%s", doc, shown, want.String())
		}
		if err := os.WriteFile(doc, []byte(before+tableBegin+want.String()+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// writeMarkdown writes every setting as docs/settings.md shows them: a table for each group.
func writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nOn SIGHUP these are read again, and the certificate in files; others take a restart: %s.\n", liveNames())
	group := ""
	for _, s := range Settings() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n## %s\n\n| Setting | Value | Default | Meaning |\n|---|---|---|---|\n", group)
		}
		def := ""
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, s.Unit, def, inTable(s.Doc))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeEssentials writes the settings that matter before all others as the table the README shows.
func writeEssentials(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| Setting | Meaning |\n|---|---|\n")
	for _, s := range essentials() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Name, inTable(s.Doc))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inTable writes a text as the cell of a Markdown table.
func inTable(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(text)
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

func TestEverySettingIsDescribed(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Settings() {
		if s.Name == "" || s.Doc == "" || s.Unit == "" || s.Group == "" {
			t.Errorf("setting %+v lacks a name, a unit, a text or a group", s)
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
		if n := strings.Count(help.String(), "  "+s.Name+" ("); n != 1 {
			t.Errorf("help explains %s %d times, want once", s.Name, n)
		}
	}
	if head, _, _ := strings.Cut(help.String(), "\n\n"); !strings.HasPrefix(head, "The 10 that matter first:") || strings.Count(head, " (") < 10 {
		t.Errorf("help does not begin with the settings that matter first:\n%s", head)
	}
	for line := range strings.Lines(help.String()) {
		if len(line) > 101 {
			t.Errorf("help has a line of %d columns: %s", len(line)-1, line)
		}
	}
}
