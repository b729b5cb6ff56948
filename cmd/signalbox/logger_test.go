package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"signalbox/config"
)

// TestLogControls: what a client sends cannot command the terminal that shows the log, in either format.
func TestLogControls(t *testing.T) {
	const text = "a\u009b31mb\u0080\u009f\u007f c é \u0080\u2028 \x9b" // the last byte is no UTF-8
	for _, format := range []string{"json", "text"} {
		var log bytes.Buffer
		cfg := config.Default()
		cfg.LogFormat = format
		newLogger(cfg, cfg.LogLevel, &log).Info("room", "name", text)
		for _, r := range strings.TrimSuffix(log.String(), "\n") {
			if r < ' ' || r >= 0x7f && r <= 0x9f {
				t.Errorf("%s: the log has %U: %q", format, r, log.String())
			}
		}
		if format == "text" {
			continue
		}
		var line struct{ Name string }
		want := strings.ToValidUTF8(text, "\ufffd")
		if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Name != want {
			t.Errorf("the line says %q, %v, want %q", line.Name, err, want)
		}
	}
}
