// Package exampletest runs the examples in tests.
package exampletest

import (
	"context"
	"testing"

	"signalbox/server"
)

// Run runs a server on a free port until the test ends, with settings as name and value in turn, and returns its address.
func Run(t *testing.T, made func(getenv func(string) string) (*server.Server, error), settings ...string) string {
	t.Helper()
	env := map[string]string{"HOST": "127.0.0.1", "PORT": "0"}
	for i := 0; i+1 < len(settings); i += 2 {
		env[settings[i]] = settings[i+1]
	}
	srv, err := made(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }() // awaited below
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return "http://" + srv.Addr().String()
}
