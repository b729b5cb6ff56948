package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHTTPConn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 2000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			_, _ = io.WriteString(w, "hello")
		case "/chunked":
			for _, part := range []string{"a", long, "b"} {
				_, _ = io.WriteString(w, part)
				_ = http.NewResponseController(w).Flush()
			}
		case "/last":
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, "bye")
		case "/refused":
			http.Error(w, "no", http.StatusBadRequest)
		case "/echo":
			_, _ = io.Copy(w, r.Body)
		}
	}))
	t.Cleanup(srv.Close)
	target, err := NewTarget(srv.URL, "/")
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTPConn(target)
	defer h.Close()
	// All on one connection, in this order, but for what the server closes.
	for _, tt := range []struct{ method, path, body, want, err string }{
		{method: "GET", path: "/plain", want: "hello"},
		{method: "GET", path: "/chunked", want: "a" + long + "b"},
		{method: "POST", path: "/echo", body: "42[\"x\"]", want: "42[\"x\"]"},
		{method: "GET", path: "/refused", err: "status 400: no"},
		{method: "GET", path: "/last", want: "bye"},
		{method: "GET", path: "/plain", want: "hello"},
	} {
		got, err := h.Do(t.Context(), tt.method, tt.path, []byte(tt.body))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s %s: err = %v, want %q", tt.method, tt.path, err, tt.err)
			}
			continue
		}
		if err != nil || string(got) != tt.want {
			t.Errorf("%s %s = %.40q, %v, want %.40q", tt.method, tt.path, got, err, tt.want)
		}
	}
}

func TestHTTPConnEndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	target, err := NewTarget(srv.URL, "/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	h := NewHTTPConn(target)
	if _, err := h.Do(ctx, "GET", "/", nil); err == nil {
		t.Error("a request that was given up has an answer")
	}
	h.Close()
	if _, err := h.Do(t.Context(), "GET", "/", nil); err == nil {
		t.Error("a closed connection takes requests")
	}
}
