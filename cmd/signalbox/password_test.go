package main

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestPassword(t *testing.T) {
	made := make(map[string]bool)
	for _, args := range [][]string{nil, nil, {"a password of mine"}} {
		var out strings.Builder
		if err := password(t.Context(), args, environment{stdout: &out}); err != nil {
			t.Fatal(err)
		}
		var text, hash string
		for line := range strings.Lines(out.String()) {
			if rest, ok := strings.CutPrefix(line, "password: "); ok {
				text = strings.TrimSpace(rest)
			}
			if rest, ok := strings.CutPrefix(line, "ADMIN_UI_PASSWORD='"); ok {
				hash = strings.TrimSuffix(rest, "'\n")
			}
		}
		if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(text)); err != nil || len(text) < 16 || len(args) > 0 && text != args[0] {
			t.Errorf("%q: %v", out.String(), err)
		}
		made[text] = true
	}
	if len(made) != 3 {
		t.Errorf("passwords that were made up are alike: %v", made)
	}
	var out strings.Builder
	for _, args := range [][]string{{""}, {"two", "words"}} {
		if err := password(t.Context(), args, environment{stdout: &out}); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
