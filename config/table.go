package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// first are the settings that matter before all others, in the order in which they are explained.
var first = []string{
	"PORT", "SIGNALBOX_ENV", "ALLOW_OPEN", "ALLOWED_ORIGINS", "TRUSTED_PROXIES", "JWT_SECRET", "REQUIRE_AUTH", "API_KEY",
	"HISTORY_DB", "REDIS_URL",
}

// essentials returns the settings that matter before all others.
func essentials() []Setting {
	byName := make(map[string]Setting)
	for _, s := range Settings() {
		byName[s.Name] = s
	}
	list := make([]Setting, len(first))
	for i, name := range first {
		list[i] = byName[name]
	}
	return list
}

// WriteHelp writes every setting for a terminal: those that matter before all others, and then the rest by groups. Each is a
// line with its name and default, and below it what it means.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	add := func(s Setting) {
		value := s.Unit
		if s.Default != "" {
			value += ", default " + s.Default
		}
		fmt.Fprintf(&b, "  %s (%s)\n%s", s.Name, value, indent(s.Doc, 6, 100))
	}
	fmt.Fprintf(&b, "The %d that matter first:\n", len(first))
	for _, s := range essentials() {
		add(s)
	}
	group := ""
	for _, s := range Settings() {
		if slices.Contains(first, s.Name) {
			continue
		}
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n%s:\n", group)
		}
		add(s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// indent breaks text into lines of at most width columns that start with so many spaces.
func indent(text string, spaces, width int) string {
	var b strings.Builder
	pad := strings.Repeat(" ", spaces)
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			b.WriteString(pad)
			column = spaces
		case column+1+len(word) > width:
			b.WriteString("\n" + pad)
			column = spaces
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}
