package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestPollingPostsNoEmptyBody has a client that is woken once more than there is something to send send what there is: a
// server answers a body of nothing with 400, and that would end the client.
func TestPollingPostsNoEmptyBody(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		_, _ = io.WriteString(w, "ok")
	}))
	defer srv.Close()
	target, err := NewTarget(srv.URL, "/socket.io/")
	if err != nil {
		t.Fatal(err)
	}
	c := &pollClient{eio: "/", get: NewHTTPConn(target), post: NewHTTPConn(target), wake: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.sendLoop()
	}()
	c.wake <- struct{}{} // what it was woken for has gone already
	if err := c.Send([]byte("42")); err != nil {
		t.Fatal(err)
	}
	c.wake <- struct{}{}
	if first := <-bodies; first != "42" {
		t.Errorf("the first body is %q, want the packet", first)
	}
	c.Cut()
	<-done
}
