package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPicture(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		below := "/debug"
		if r.Header.Get("Authorization") == "Bearer the token" {
			below = "/console"
		}
		switch strings.TrimPrefix(r.URL.Path, below) {
		case "/handlers":
			_, _ = io.WriteString(w, `[{"namespace":"/game","event":"move\u0007","count":4,"totalNanoseconds":6000000,"longestNanoseconds":3000000}]`)
		case "/counts":
			_, _ = io.WriteString(w, `{"clients":3,"heapBytes":12345678,"goroutines":9}`)
		case "/clients":
			if q := r.URL.Query(); q.Get("n") != "5" || q.Get("for") != "10ms" {
				t.Errorf("it asks for %s", r.URL)
			}
			_, _ = io.WriteString(w, `[{"client":"a","user":"42\u001b[2J","addr":"192.0.2.1","packetsPerSecond":1234.56,"bytesPerSecond":98765,"outboxBytes":0}]`)
		}
	}))
	defer srv.Close()
	for _, token := range []string{"", "the token"} {
		t.Setenv("ADMIN_TOKEN", token)
		var out strings.Builder
		if err := run(t.Context(), []string{"-url", srv.URL + "/", "-n", "5", "-every", "10ms", "-once"}, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"3 clients", "heap 12 MB", "1234.6", "99 kB", "192.0.2.1", "42?[2J", "400.0", "60.0 %", "1.5ms", "3ms", "move?"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the picture lacks %q:\n%s", want, &out)
			}
		}
	}
	srv.Close()
	if err := run(t.Context(), []string{"-url", srv.URL, "-once"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "DEBUG_ADDR") {
		t.Errorf("without a server: %v", err)
	}
}
