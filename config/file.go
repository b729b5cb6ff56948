package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// maxFileBytes bounds a settings file.
const maxFileBytes = 64 << 10

// WithFile returns a getenv that asks the given one first and then the file at path, which holds NAME=value lines. A file
// that does not exist is no fault. What the file says is not in the error: it may be a secret.
func WithFile(getenv func(string) string, path string) (func(string) string, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return getenv, nil
	case err != nil:
		return nil, fmt.Errorf("read settings: %w", err)
	case len(text) > maxFileBytes:
		return nil, fmt.Errorf("%s has %d bytes; a file of settings has %d at most", path, len(text), maxFileBytes)
	}
	values, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: line %d cannot be read; write one NAME=value per line, values with spaces in quotes", path, faultyLine(string(text)))
	}
	return func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return values[name]
	}, nil
}

// faultyLine returns the number of the line after the longest part of text that can be read.
func faultyLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}
