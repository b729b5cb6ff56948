package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestEmitRequests checks what each command line asks of the server.
func TestEmitRequests(t *testing.T) {
	var got string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.RequestURI + " " + strings.TrimSpace(string(body))
		if key := r.Header.Get("Authorization"); key != "Bearer hush" {
			t.Errorf("Authorization = %q", key)
		}
		_, _ = io.WriteString(w, ` {"ok":true,"delivered":1}`+"\n")
	}))
	defer web.Close()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"everybody":     {[]string{"hello"}, `POST /api/emit {"event":"hello"}`},
		"users":         {[]string{"--user", "42", "--user=ann", "hello", `{"b": 1.0}`, "2", `"<x>"`}, `POST /api/emit {"users":["42","ann"],"event":"hello","args":[{"b":1.0},2,"<x>"]}`},
		"rooms":         {[]string{"--namespace", "/chat", "--room", "team/1", "--except", "ann", "n", "null"}, `POST /api/emit {"namespace":"/chat","rooms":["team/1"],"except":["ann"],"event":"n","args":[null]}`},
		"answers":       {[]string{"--ack", "q"}, `POST /api/emit {"event":"q","ack":true}`},
		"answers, time": {[]string{"--ack", "--timeout", "1.5s", "q"}, `POST /api/emit {"event":"q","ack":true,"timeoutMs":1500}`},
		"channel":       {[]string{"--channel", "room:a/b c", "order", `{"id":7}`}, `POST /api/publish/room:a%2Fb%20c {"type":"order","data":{"id":7}}`},
		"channel alone": {[]string{"--channel", "update", "reload"}, `POST /api/publish/update {"type":"reload"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), append([]string{"emit", "--url", web.URL + "/"}, tt.args...), env("API_KEY=hush"), &out, io.Discard)
			if err != nil || out.String() != `{"ok":true,"delivered":1}`+"\n" {
				t.Errorf("run = %v, printed %q", err, out.String())
			}
			if got != tt.want {
				t.Errorf("asked %s\nwant  %s", got, tt.want)
			}
		})
	}
}

func TestEmitUsage(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no event":             {nil, "the name of the event is missing"},
		"argument not JSON":    {[]string{"hello", "hi"}, `a text is written '"hi"'`},
		"flag behind":          {[]string{"hello", "--user", "42"}, "--user comes too late"},
		"unknown flag":         {[]string{"--users", "42", "hello"}, "users"},
		"time without ack":     {[]string{"--timeout", "1s", "q"}, "needs --ack"},
		"time too long":        {[]string{"--ack", "--timeout", "2m", "q"}, "1ms to 1m"},
		"time without unit":    {[]string{"--ack", "--timeout", "5", "q"}, "timeout"},
		"channel and room":     {[]string{"--channel", "update", "--room", "a", "t"}, "--room is for Socket.IO clients"},
		"channel, more data":   {[]string{"--channel", "update", "t", "1", "2"}, "one piece of data"},
		"channel with no name": {[]string{"--channel", "", "t"}, "--channel needs a name"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			err := run(t.Context(), append([]string{"emit"}, tt.args...), env("API_KEY=hush"), io.Discard, io.Discard)
			if code := exitCode(err, &log); code != 2 || !strings.Contains(log.String(), tt.want) {
				t.Errorf("exit code %d, %s, want 2 and %q", code, log.String(), tt.want)
			}
		})
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"emit", "--help"}, env(), &out, io.Discard); err != nil || out.String() != emitHelp {
		t.Errorf("emit --help = %v, %q", err, out.String())
	}
	for line := range strings.Lines(emitHelp) {
		if len(line) > 125 {
			t.Errorf("the help has a line of %d columns: %s", len(line), line)
		}
	}
}

func TestEmitFaults(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	fault, _ := json.Marshal(map[string]any{"error": map[string]any{"code": "unauthorized", "message": "wrong key"}, "requestId": "r1"})
	for name, tt := range map[string]struct {
		env    []string
		args   []string
		answer http.HandlerFunc
		want   string
	}{
		"no key":         {nil, nil, nil, "API_KEY is not set"},
		"fault":          {[]string{"API_KEY=x"}, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401); _, _ = w.Write(fault) }, "the server says unauthorized: wrong key (request r1)"},
		"another server": {[]string{"API_KEY=x"}, nil, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }, "the server answered 404, which is not"},
		"another page":   {[]string{"API_KEY=x"}, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "the server answered 200, which is not"},
		"redirect":       {[]string{"API_KEY=x"}, nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "the server answered 302"},
		"cut off": {[]string{"API_KEY=x"}, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "the answer broke off"},
		"no URL":    {[]string{"API_KEY=x"}, []string{"--url", "127.0.0.1:3000"}, nil, "--url must be like"},
		"no server": {[]string{"API_KEY=x", "PORT=1"}, nil, nil, "no answer from 127.0.0.1:1: is the server running there?"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"emit"}, tt.args...)
			if tt.answer != nil {
				web := httptest.NewServer(tt.answer)
				defer web.Close()
				args = append(args, "--url", web.URL)
			}
			var log bytes.Buffer
			err := run(t.Context(), append(args, "hello"), env(tt.env...), io.Discard, io.Discard)
			if code := exitCode(err, &log); code != 1 || !strings.Contains(log.String(), tt.want) {
				t.Errorf("exit code %d, %s, want 1 and %q", code, log.String(), tt.want)
			}
		})
	}
}
