package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
)

// running is signalbox in this process.
type running struct {
	url  string
	text string // what it printed up to the end of the start text
}

// runServe serves until the test ends, and reads the start text up to a line with the end that is given.
func runServe(t *testing.T, last string, pairs ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stdout, in := io.Pipe()
	done := make(chan error, 1)
	go func() { // awaited below
		done <- run(ctx, nil, env(append(pairs, "PORT=0", "HOST=127.0.0.1")...), in, io.Discard)
		in.Close()
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run = %v", err)
		}
	})
	r := new(running)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("start text ends with %v:\n%s", err, r.text)
		}
		r.text += line
		if found := firstLine.FindStringSubmatch(line); found != nil {
			r.url = found[1]
		}
		if strings.Contains(line, last) {
			go io.Copy(io.Discard, lines) // the rest; ends with the pipe
			return r
		}
	}
}

// emit runs signalbox emit against the server and returns what it printed and said.
func (r *running) emit(t *testing.T, key string, args ...string) (printed, said string) {
	t.Helper()
	var out, log bytes.Buffer
	err := run(t.Context(), append([]string{"emit", "--url", r.url}, args...), env("API_KEY="+key), &out, io.Discard)
	exitCode(err, &log)
	return out.String(), log.String()
}

var printedKey = regexp.MustCompile(`curl (\S+)/api/emit -H 'Authorization: Bearer ([0-9a-f]{64})' \\\n    -d '(.*)'\n`)

func TestTryOutMakesAnAPIKey(t *testing.T) {
	r := runServe(t, "from a backend")
	found := printedKey.FindStringSubmatch(r.text)
	if found == nil || found[1] != r.url {
		t.Fatalf("the start text has no command with a key and %s:\n%s", r.url, r.text)
	}
	key := found[2]
	if !json.Valid([]byte(found[3])) {
		t.Errorf("the command sends %s, which is not JSON", found[3])
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--user", "1", "hello", `{"text":"hi"}`}, `{"ok":true,"delivered":0}`},
		{[]string{"--namespace", "/chat", "--room", "a", "--ack", "hello"}, `{"ok":true,"delivered":0,"answers":[],"missing":0}`},
		{[]string{"--channel", "user:1", "order", "7"}, `{"ok":true,"delivered":0}`},
	} {
		if printed, said := r.emit(t, key, tt.args...); printed != tt.want+"\n" {
			t.Errorf("emit %v printed %q, said %s", tt.args, printed, said)
		}
	}
	for args, want := range map[string]string{
		"--channel everywhere order": "invalid_channel: no such channel",
		"--channel user:1 connect":   "invalid_request: the message cannot be published on this channel: the payload needs a type",
		"--namespace x order":        "invalid_request: namespace must begin with a slash",
	} {
		if _, said := r.emit(t, key, strings.Fields(args)...); !strings.Contains(said, want) {
			t.Errorf("emit %s said %s, want %s", args, said, want)
		}
	}
	if _, said := r.emit(t, "x", "hello"); !strings.Contains(said, "unauthorized") {
		t.Errorf("emit with a wrong key said %s", said)
	}
}

func TestConfiguredServerMakesNoAPIKey(t *testing.T) {
	r := runServe(t, "All settings", "JWT_SECRET=0123456789abcdef0123456789abcdef")
	if _, said := r.emit(t, "x", "hello"); !strings.Contains(said, "api_disabled") {
		t.Errorf("emit said %s", said)
	}
	r = runServe(t, "All settings", "API_KEY=the key of this test")
	if printed, said := r.emit(t, "the key of this test", "hello"); printed != `{"ok":true,"delivered":0}`+"\n" {
		t.Errorf("emit printed %q, said %s", printed, said)
	}
	if strings.Contains(r.text, "the key of this test") {
		t.Error("the key of the settings was printed")
	}
}
