package library

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// The cluster hears of a namespace before its first client, and when the library has forgotten it.
func TestClusterHearsOfNamespaces(t *testing.T) {
	way := &twin{}
	s, url := newTestServer(t, map[string]app.Handler{"/chat": functions{}}, func(c *socketio.Config) { c.Cluster = way })
	way.other = func() *testServer { return s }
	if got := way.log(); !slices.Equal(got, []string{"open /chat", "open /"}) {
		t.Errorf("calls = %v", got)
	}
	s.Library().Opts().SetCleanupEmptyChildNamespaces(true)
	s.Library().Of(regexp.MustCompile(`^/made-\d+$`), nil)
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			c := dial(t, url)
			for range 20 {
				if sid := c.Join(fmt.Sprintf("/made-%d", i/2), ""); len(sid) != hub.SocketIDLength {
					t.Errorf("the id %s has %d characters", sid, len(sid))
				}
				c.Send(fmt.Sprintf("41/made-%d,", i/2))
			}
			c.WS.CloseNow()
		})
	}
	clients.Wait()
	for _, call := range way.log() {
		if strings.HasPrefix(call, "again") {
			t.Errorf("the cluster was told twice: %s", call)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, open := range way.open {
		if open && !strings.HasPrefix(name, "/made") { // of two that the library made at once it forgets one
			t.Errorf("%s is still open", name)
		}
	}
}

func TestOpeningsTakeTurns(t *testing.T) {
	way := &twin{}
	o := &openings{cluster: way}
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 500 {
				o.add("/n")
				o.remove("/n")
			}
		})
	}
	users.Wait()
	for _, call := range way.log() {
		if strings.HasPrefix(call, "again") {
			t.Fatalf("the cluster was told twice: %s", call)
		}
	}
	if way.open["/n"] || len(o.names) != 0 {
		t.Errorf("open %v, names %v", way.open, o.names)
	}
}
