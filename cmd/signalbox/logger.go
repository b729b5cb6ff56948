package main

import (
	"fmt"
	"io"
	"log/slog"

	"signalbox/config"
)

func newLogger(cfg config.Config, level slog.Leveler, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(escapeControls{w}, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// escapeControls writes lines of JSON with the control characters that JSON lets pass, U+007F to U+009F, as \u00xx: some
// terminals take U+009B for the beginning of a command. Outside of texts JSON has none of them.
type escapeControls struct{ w io.Writer }

// Write writes one line, as [slog.JSONHandler] does.
func (e escapeControls) Write(line []byte) (int, error) {
	var escaped []byte // nil: nothing was escaped yet
	from := 0
	for i := range line {
		switch c := line[i]; {
		case c == 0x7f:
			escaped = fmt.Appendf(append(escaped, line[from:i]...), `\u%04x`, c)
		case c >= 0x80 && c <= 0x9f && i > 0 && line[i-1] == 0xc2: // U+0080 to U+009F in UTF-8
			escaped = fmt.Appendf(append(escaped, line[from:i-1]...), `\u%04x`, c)
		default:
			continue
		}
		from = i + 1
	}
	if from == 0 {
		return e.w.Write(line)
	}
	if _, err := e.w.Write(append(escaped, line[from:]...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
