package engine

import (
	"net/http"
	"net/url"

	"signalbox/server/wire"
)

// admit applies what decides who may begin a session, and takes a place for it.
func (s *Server) admit(r *http.Request, addr string, descriptors int) *refusal {
	refused := checkSize(r)
	if refused == nil {
		refused = s.checkOrigin(r)
	}
	if refused == nil {
		refused = s.reserve(addr, descriptors)
	}
	return refused
}

func (s *Server) newSession(r *http.Request, query url.Values, addr string) *Session {
	session := &Session{id: newID(), addr: addr, request: s.newRequest(r)}
	session.init(s, session)
	session.textOnly.Store(query.Get("b64") != "")
	return session
}

// begin opens a registered session: from here on it beats and its receiver is called.
func (s *Server) begin(session *Session) {
	s.tally.sessionsOpened.Add(1)
	session.mu.Lock()
	session.startHeartLocked(s.heart)
	session.mu.Unlock()
	if session.receiver = s.open(session); session.receiver == nil {
		session.receiver = nobody{}
		session.Close(ReasonForcedClose)
	}
}

// nobody receives for a connection that the program above did not want.
type nobody struct{}

func (nobody) Text([]byte) error   { return nil }
func (nobody) Binary([]byte) error { return nil }
func (nobody) Closed(Reason)       {}

// handshakeWebSocket begins a session on a websocket. The open packet leaves with the 101 response.
func (s *Server) handshakeWebSocket(w http.ResponseWriter, r *http.Request, query url.Values) {
	addr := s.cfg.ClientIP(r)
	if refused := s.admit(r, addr, 1); refused != nil {
		s.refuse(w, refused)
		return
	}
	session := s.newSession(r, query, addr)
	first := wire.Text(s.openPacket(session.id, WebSocketTransport))
	t, err := s.switchProtocols(w, r, first.Parts()[0].Frame())
	if err != nil {
		s.cancel(addr, 1)
		s.cfg.Log.Debug("websocket handshake failed", "error", err)
		return
	}
	reader := newReader(t.nc, s.cfg.MaxPayloadBytes, t.early)
	if err := s.enroll(&session.link, addr, t); err != nil {
		s.cfg.Log.Debug("websocket handshake failed", "error", err)
		return
	}
	s.begin(session)
	s.spawn(func() { session.serve(reader, session) })
}
