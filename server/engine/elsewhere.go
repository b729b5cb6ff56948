package engine

import (
	"context"
	"net/http"

	"signalbox/server/conn"
)

// Hop tells of a request that another server has passed on. The zero Hop: none has.
type Hop struct {
	// From names that server.
	From string
	// Brief: that server is about to end, so a poll of it must not wait.
	Brief bool
}

type hopKey struct{}

// Passed returns r as a request that another server has passed on. The caller has made sure of that.
func Passed(r *http.Request, h Hop) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), hopKey{}, h))
}

func hopOf(r *http.Request) Hop {
	h, _ := r.Context().Value(hopKey{}).(Hop)
	return h
}

// hops are what a server has passed on and is still open: a poll that waits, and a websocket.
type hops struct{ polls, streams map[*Session]string } // by session: from which server

func newHops() hops { return hops{make(map[*Session]string), make(map[*Session]string)} }

// note keeps, in one of the maps of hops, where a request came from, until forgetHop.
func (s *Server) note(of map[*Session]string, session *Session, h Hop) {
	if h.From != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		of[session] = h.From
	}
}

func (s *Server) forgetHop(of map[*Session]string, session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(of, session)
}

// Release ends what a server has passed on that is about to end itself: a poll is answered, so that the next one comes
// by another server, and a websocket is closed behind what is queued.
func (s *Server) Release(from string) {
	var polls, streams []*Session
	s.mu.Lock()
	for session, via := range s.hops.polls {
		if via == from {
			polls = append(polls, session)
		}
	}
	for session, via := range s.hops.streams {
		if via == from {
			streams = append(streams, session)
		}
	}
	s.mu.Unlock()
	for _, session := range polls {
		session.c.Lock()
		session.c.WakeLocked()
		session.c.Unlock()
	}
	for _, session := range streams {
		if session.Transport() == WebSocketTransport { // else it polls, and its upgrade fails
			session.Close(conn.ReasonTransportClose)
		}
	}
}
