package door

import (
	"net/http"

	"signalbox/server/app"
	"signalbox/server/conn"
)

// WebSocket returns a door for plain WebSockets that h serves. The handler is asked before the upgrade is answered, and not
// at all about who may not connect, see [conn.Server.Reserve]; a request that is no upgrade gets 426.
func (s *Server) WebSocket(h app.TextHandler, o conn.WebSocketOptions) http.Handler {
	return s.webSocket(h, o, false)
}

func (s *Server) webSocket(h app.TextHandler, o conn.WebSocketOptions, returning bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !conn.IsUpgrade(r) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			Refuse(w, &app.Refusal{Status: http.StatusUpgradeRequired, Message: "This is a WebSocket"})
			return
		}
		place, err := s.cfg.Conns.Reserve(w, r, 1)
		if err != nil { // it has been answered
			return
		}
		defer place.Cancel()
		p := newTextPeer(s)
		if returning {
			s.settle(p, place.RemoteAddr())
		}
		if err := p.connect(h, s.visit(r, place.RemoteAddr())); err != nil {
			if returning {
				p.stay.session.Close()
			}
			Refuse(w, err)
			return
		}
		err = place.WebSocket(o, func(ws *conn.WebSocket) conn.Receiver {
			p.open(ws)
			if returning {
				r := &returningReceiver{ws: ws, handler: h}
				r.peer.Store(p)
				return r
			}
			return textReceiver{p}
		})
		if err != nil { // it has been answered
			p.release(p.session, app.ReasonNotOpened)
		}
	})
}
