package gate

import (
	"encoding/json"
	"time"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/rawjson"
)

// Require returns a handler that lets clients in to h as long as their token is good: the token is in the payload of CONNECT
// or in Authorization, and h finds whom it speaks for in the handshake. Clients are told shortly before it ends, by the event
// token_expiring {expiresAt}, and renew it by renew {token}. It is for namespaces that do not see to that themselves.
func (g *Gate) Require(h app.Handler) app.Handler { return required{inner: h, gate: g} }

// Renewer is a session that wants to know of a newer token. It returns the rooms that it has left, as that does not open them.
type Renewer interface {
	Renewed(id *auth.Identity) (left []string)
}

type required struct {
	inner app.Handler
	gate  *Gate
}

// Connect implements [app.Handler].
func (l required) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	return l.begin(p, hs, func(hs app.Handshake) (app.Session, error) { return l.inner.Connect(p, hs) })
}

// packed is what goes on with a client at another node.
type packed struct {
	User  string          `json:"user"`
	Inner json.RawMessage `json:"inner,omitempty"`
}

// Resume implements [app.Mover]: the token is verified again, and must be of the same user.
func (l required) Resume(p app.Peer, hs app.Handshake, state json.RawMessage) (app.Session, error) {
	var was packed
	inner, ok := l.inner.(app.Mover)
	if err := json.Unmarshal(state, &was); err != nil || !ok {
		return nil, ErrAuthentication
	}
	return l.begin(p, hs, func(hs app.Handshake) (app.Session, error) {
		if hs.Identity.UserID() != was.User {
			return nil, auth.ErrOtherUser
		}
		return inner.Resume(p, hs, was.Inner)
	})
}

// begin has h begin the session of a client with a good token.
func (l required) begin(p app.Peer, hs app.Handshake, h func(app.Handshake) (app.Session, error)) (app.Session, error) {
	id, err := l.gate.Verify(Token(hs))
	if err != nil {
		return nil, ErrAuthentication
	}
	hs.Identity = id
	inner, err := h(hs)
	if err != nil {
		return nil, err
	}
	return &requiredSession{inner: inner, gate: l.gate, peer: p, lease: l.gate.WatchPeer(p, hs.RemoteAddr, id)}, nil
}

// WatchPeer ends a client's stay in a namespace with its token.
func (g *Gate) WatchPeer(p app.Peer, addr string, id *auth.Identity) *auth.Lease {
	return g.Watch(Client{p.ID(), id.UserID(), addr}, id,
		func(expires time.Time) {
			_ = p.Emit("token_expiring", json.RawMessage(message.AppendExpiry(nil, expires))) // an ended connection is told through Close
		},
		func() { p.Disconnect(false) })
}

// requiredSession is one client with a lease.
type requiredSession struct {
	inner app.Session
	gate  *Gate
	peer  app.Peer
	lease *auth.Lease
}

// User implements [app.Known].
func (s *requiredSession) User() string { return s.lease.User() }

// Event implements [app.Session]. An event renew that is addressed to somebody is not for us.
func (s *requiredSession) Event(e *app.Event) {
	if e.Name != "renew" {
		s.inner.Event(e)
		return
	}
	f, ok := rawjson.Fields(e.Argument(), "token", "recipientUserId")
	if !ok || f[0] == nil || f[1] != nil {
		s.inner.Event(e)
		return
	}
	app.Charge(s.peer, app.WeightCostly)
	token, _ := rawjson.Text(f[0]) // no text is no token
	id, err := s.gate.Renew(s.lease, token)
	if err != nil {
		e.Ack.Send(message.Refusal(err))
		return
	}
	var left []string
	if r, ok := s.inner.(Renewer); ok {
		left = r.Renewed(id)
	}
	e.Ack.Send(message.Renewed(id.Expires(), left))
}

// Return implements [app.Returner]: the token is verified again.
func (s *requiredSession) Return(hs app.Handshake) error {
	id, err := s.gate.Again(s.lease, Token(hs))
	if err != nil {
		return err
	}
	hs.Identity = id
	if r, ok := s.inner.(Renewer); ok {
		r.Renewed(id)
	}
	if r, ok := s.inner.(app.Returner); ok {
		return r.Return(hs)
	}
	return nil
}

// Pack implements [app.Packer].
func (s *requiredSession) Pack() json.RawMessage {
	p := packed{User: s.lease.Identity().UserID()}
	if inner, ok := s.inner.(app.Packer); ok {
		p.Inner = inner.Pack()
	}
	if p.Inner == nil {
		return nil
	}
	b, _ := json.Marshal(p) // of a text and checked JSON
	return b
}

// Kept implements [app.Keeper].
func (s *requiredSession) Kept() int {
	if k, ok := s.inner.(app.Keeper); ok {
		return k.Kept()
	}
	return 0
}

// Stayed implements [app.Stayer].
func (s *requiredSession) Stayed() {
	if o, ok := s.inner.(app.Stayer); ok {
		o.Stayed()
	}
}

// Landed implements [app.Lander].
func (s *requiredSession) Landed() {
	if l, ok := s.inner.(app.Lander); ok {
		l.Landed()
	}
}

// Close implements [app.Session].
func (s *requiredSession) Close(reason string) {
	Stop(s.lease)
	s.inner.Close(reason)
}

// WatchStream ends a stream with its token; nil for a stream without one. A browser then asks again and is refused, which
// ends its EventSource.
func (g *Gate) WatchStream(p app.StreamPeer, addr string, id *auth.Identity) *auth.Lease {
	if id == nil {
		return nil
	}
	return g.Watch(Client{p.ID(), id.UserID(), addr}, id,
		func(expires time.Time) {
			p.Send(message.AppendRecord(nil, "", "token_expiring", message.AppendExpiry(nil, expires)))
		},
		p.Close)
}
