package hooks

import (
	"net/http"
	"testing"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/socketio"
)

// TestWhatABackendCosts: an event that goes to the backend weighs 5 against MAX_EVENTS_PER_SECOND, a connect 20.
func TestWhatABackendCosts(t *testing.T) {
	const limit = 400 // twice as many at once
	b := newBackend(t, func(w http.ResponseWriter, r request) { same(w, r, `{}`) })
	for name, tc := range map[string]struct {
		do       func(c *testkit.Wire)
		fits     int // so often before the client has to wait
		andLater int // so often more
		wait     time.Duration
	}{
		"events":                                 {func(c *testkit.Wire) { c.Send(`42/game,1["x"]`); c.Want("43/game,1[]") }, (2*limit - 20) / 5, 40, 200 * time.Second / limit},
		"connects and their ends, which weigh 1": {func(c *testkit.Wire) { c.Send("41/game,"); c.Join("/game", "") }, (2*limit - 20) / 21, 10, 200 * time.Second / limit},
	} {
		t.Run(name, func(t *testing.T) {
			var server *socketio.Server
			url, _, _ := serve(t, Options{URL: b.web.URL}, func(s *socketio.Server) {
				s.SetMaxEvents(limit)
				server = s
			})
			c := testkit.Dial(t, url)
			start := time.Now()
			c.Join("/game", "")
			for range tc.fits {
				tc.do(c)
			}
			if n := server.Stats().Throttled; n > 0 {
				t.Errorf("a connect and so many as fit had to wait %d times", n)
			}
			for range tc.andLater {
				tc.do(c)
			}
			if took, least := time.Since(start), tc.wait-20*time.Second/limit; took < least {
				t.Errorf("it took %v, want %v at least", took, least)
			}
		})
	}
}
