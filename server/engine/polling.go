package engine

import "net/http"

// polling is what a session needs while it polls.
type polling struct {
	posting  chan struct{} // closed when the post in flight has been handled, nil: none is
	probe    *probe        // the upgrade under way, nil: none is
	draining bool          // the session is closing, and what is queued waits for the next poll
}

// probe is a websocket that wants to take a session over.
type probe struct{}

func (s *Server) handshakePolling(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, refuseTransport)
}
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request)                       {}
func (s *Session) servePost(w http.ResponseWriter, r *http.Request)                       {}
func (s *Server) upgradeSession(w http.ResponseWriter, r *http.Request, session *Session) {}
func (s *Session) endedLocked()                                                           {}
