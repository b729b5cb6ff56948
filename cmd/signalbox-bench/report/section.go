package report

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Section is a part of the report that is generated. It stands between two lines; what is written around them stays.
type Section struct {
	Begin, End string
	Template   string // the text around it, for the first time it is written
}

// Template is the whole report, without figures.
//
//go:embed report.md
var Template string

// Write puts the generated part into the report at path, which is made where there is none, and says so on stderr; with the
// path - it goes to stdout alone.
func (s Section) Write(path, generated string, stdout, stderr io.Writer) error {
	if path == "-" {
		_, err := io.WriteString(stdout, generated)
		return err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = []byte(Template), nil
	}
	if err != nil {
		return err
	}
	whole, err := s.Insert(string(text), generated)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "bench: wrote %s\n", path)
	return nil
}

// Insert replaces what stands between the marks. Where a report is without them the section's template goes to its end.
func (s Section) Insert(text, generated string) (string, error) {
	if !strings.Contains(text, s.Begin) && !strings.Contains(text, s.End) && s.Template != Template {
		text = strings.TrimRight(text, "\n") + "\n\n" + s.Template
	}
	before, rest, ok := strings.Cut(text, s.Begin)
	_, after, ended := strings.Cut(rest, s.End)
	if !ok || !ended {
		return "", fmt.Errorf("the lines %q and %q are missing", s.Begin, s.End)
	}
	return before + s.Begin + "\n\n" + generated + "\n" + s.End + after, nil
}

// Row writes one row of a table.
func Row(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// Capitalize makes the first letter a capital one.
func Capitalize(s string) string {
	if s == "" || strings.HasPrefix(s, "signalbox") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// FirstLine cuts a text at its first line end.
func FirstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
