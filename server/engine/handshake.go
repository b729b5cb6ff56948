package engine

import (
	"net/http"
	"net/url"

	"signalbox/server/conn"
	"signalbox/server/wire"
)

// pollingDescriptors is how many file descriptors a session that polls may take at the same time: for a poll, a post,
// and the websocket of an upgrade. Everybody else takes one.
const pollingDescriptors = 3

// admit applies what decides who may begin a session, and takes a place for it. nil: the request has been answered.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, descriptors int) *conn.Place {
	if refused := checkSize(r); refused != nil {
		s.conns.Refuse(w, refused)
		return nil
	}
	place, err := s.conns.Reserve(w, r, descriptors)
	if err != nil {
		return nil
	}
	return place
}

// newSession returns a session that requests find already: its client may know its id before the handshake has
// returned.
func (s *Server) newSession(r *http.Request, query url.Values) *Session {
	session := &Session{srv: s, request: s.newRequest(r), eio3: isVersion3(query)}
	if session.eio3 || s.cfg.PrefixAll {
		session.id = newID(s.cfg.IDPrefix)
	} else {
		session.id = newID("")
	}
	session.textOnly.Store(query.Get("b64") != "")
	s.keep(session)
	return session
}

// begin opens a registered session: from here on it is pinged and its receiver is called.
func (s *Server) begin(session *Session) {
	s.opened.Add(1)
	session.c.StartHeartbeat(s.heartbeatOf(session))
	if session.receiver = s.open(session); session.receiver == nil {
		session.receiver = conn.Nobody{}
		session.Close(conn.ReasonForcedClose)
	}
}

// handshakeWebSocket begins a session on a websocket. The open packet leaves with the 101 response.
func (s *Server) handshakeWebSocket(w http.ResponseWriter, r *http.Request, query url.Values) {
	place := s.admit(w, r, 1)
	if place == nil {
		return
	}
	session := s.newSession(r, query)
	open := wire.Text(s.openPacket(session.id, WebSocketTransport))
	reader, err := place.Open(&session.c, (*owner)(session), open, s.conns.MaxPayloadBytes())
	if err != nil {
		s.forget(session)
		s.conns.Config().Log.Debug("websocket handshake failed", "error", err)
		return
	}
	s.begin(session)
	s.conns.Spawn(func() { session.c.Serve(reader) })
}

// handshakePolling begins a session with polling. The open packet is the response.
//
// Rule: the cookie has the attributes that the reference implementation's option "cookie" writes; a websocket gets
// none there.
func (s *Server) handshakePolling(w http.ResponseWriter, r *http.Request, query url.Values) {
	place := s.admit(w, r, pollingDescriptors)
	if place == nil {
		return
	}
	session := s.newSession(r, query)
	session.polling = new(polling)
	session.deliver.Lock() // from before anybody can end the session until it has a receiver, which is told then
	if err := place.OpenPolled(&session.c, (*owner)(session)); err != nil {
		session.deliver.Unlock()
		s.forget(session)
		return
	}
	s.begin(session)
	session.deliver.Unlock()
	if name := s.cfg.SessionCookie; name != "" {
		w.Header().Add("Set-Cookie", name+"="+session.id+"; Path=/; HttpOnly; SameSite=Lax")
	}
	if err := session.respond(w, r, s.openPacket(session.id, Polling)); err != nil {
		session.c.Abort(writeReason(err))
	}
}
