package auth

import (
	"errors"
	"fmt"
	"testing"
)

func TestReason(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range reasons {
		if got := Reason(fmt.Errorf("verify: %w: more", r.err)); got != r.label {
			t.Errorf("Reason(%v) = %q, want %q", r.err, got, r.label)
		}
		if seen[r.label] {
			t.Errorf("the label %q stands for two errors", r.label)
		}
		seen[r.label] = true
	}
	if got := Reason(nil); got != "" {
		t.Errorf("Reason(nil) = %q", got)
	}
	if got := Reason(errors.New("else")); got != "other" {
		t.Errorf("Reason(another) = %q, want other", got)
	}
}
