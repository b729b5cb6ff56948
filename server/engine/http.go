package engine

import (
	"net/http"
	"net/url"
)

// ServeHTTP serves handshakes, polls, posts and websocket upgrades. Errors are answered with a JSON body of code and
// message.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var t Transport
	switch query.Get("transport") {
	case Polling.String():
		t = Polling
	case WebSocketTransport.String():
		t = WebSocketTransport
	default:
		s.refuse(w, refuseTransport)
		return
	}
	switch {
	case !s.allows(t):
		s.refuse(w, refuseTransport)
	case !validOrigin(r.Header.Get("Origin")):
		s.refuse(w, refuseRequest)
	case query.Get("sid") != "":
		s.serveSession(w, r, t, query)
	case r.Method != http.MethodGet:
		s.refuse(w, refuseMethod)
	case (t == WebSocketTransport) != IsUpgrade(r), query.Has("j"):
		s.refuse(w, refuseRequest) // or the script form of polling, which EIO=4 does not have
	case query.Get("EIO") != "4":
		s.refuse(w, refuseProtocol)
	case t == WebSocketTransport:
		if refused := checkUpgrade(r); refused != nil {
			s.refuse(w, refused)
			return
		}
		s.handshakeWebSocket(w, r, query)
	default:
		s.handshakePolling(w, r, query)
	}
}

// serveSession serves a request for a session that exists.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, t Transport, query url.Values) {
	session := s.session(query.Get("sid"))
	switch {
	case session == nil:
		s.refuse(w, refuseSession)
	case (t == WebSocketTransport) != IsUpgrade(r), query.Get("EIO") != "4": // the session's version
		s.refuse(w, refuseRequest)
	case t == WebSocketTransport:
		s.upgradeSession(w, r, session, query.Get("b64") != "")
	case r.Method == http.MethodGet:
		session.servePoll(w, r)
	case r.Method == http.MethodPost && s.cfg.CheckOrigin != nil && !s.cfg.CheckOrigin(r):
		s.refuse(w, refuseOrigin) // browsers leave out the Origin of a page that reads from its own host, as a handshake does
	case r.Method == http.MethodPost:
		session.servePost(w, r)
	default:
		s.refuse(w, refuseRequest)
	}
}

// validOrigin reports whether an Origin holds only what a header may: it is compared and logged above.
func validOrigin(origin string) bool {
	for i := range len(origin) {
		if c := origin[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
