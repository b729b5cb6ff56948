package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteHelp writes every setting for a terminal: a line with its name and default, and below it what it means.
func WriteHelp(w io.Writer) error {
	for _, s := range Settings() {
		value := s.Unit
		if s.Default != "" {
			value += ", default " + s.Default
		}
		if _, err := fmt.Fprintf(w, "  %s (%s)\n%s", s.Name, value, indent(s.Doc, 6, 100)); err != nil {
			return err
		}
	}
	return nil
}

// WriteMarkdown writes every setting as the table the README shows.
func WriteMarkdown(w io.Writer) error {
	if _, err := io.WriteString(w, "| Setting | Value | Default | Meaning |\n|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, s := range Settings() {
		def := ""
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		doc := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(s.Doc)
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", s.Name, s.Unit, def, doc); err != nil {
			return err
		}
	}
	return nil
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
