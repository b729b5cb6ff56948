package handlers

import (
	"encoding/json"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
)

// Authenticate says who a client of "/" is, for [RootOptions]: the token is in the payload of CONNECT or in Authorization.
func (d *Doors) Authenticate(hs app.Handshake) (Identity, error) {
	id, err := d.gate.verify(chatToken(hs))
	if err != nil {
		return Identity{}, errAuthentication
	}
	return Identity{UserID: id.UserID()}, nil
}

// Leased returns a handler that lets clients in to h as long as their token is good: they are told shortly before it ends,
// by the event token_expiring {expiresAt}, and renew it by renew {token}. It is for namespaces that ask for a token and
// do not see to its end themselves.
func (d *Doors) Leased(h app.Handler) app.Handler { return leased{inner: h, gate: d.gate} }

type leased struct {
	inner app.Handler
	gate  gatekeeper
}

// Connect implements [app.Handler].
func (l leased) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	id, err := l.gate.verify(chatToken(hs))
	if err != nil {
		return nil, errAuthentication
	}
	inner, err := l.inner.Connect(p, hs)
	if err != nil {
		return nil, err
	}
	return &leasedSession{inner: inner, gate: &l.gate, lease: leasePeer(&l.gate, p, id)}, nil
}

// leasePeer ends a client's stay in a namespace with its token.
func leasePeer(gate *gatekeeper, p app.Peer, id *auth.Identity) *auth.Lease {
	return gate.watch(id,
		func(expires time.Time) {
			_ = p.Emit("token_expiring", json.RawMessage(appendExpiry(nil, expires))) // an ended connection is told through Close
		},
		func() { p.Disconnect(false) })
}

// leasedSession is one client with a lease.
type leasedSession struct {
	inner app.Session
	gate  *gatekeeper
	lease *auth.Lease
}

// Event implements [app.Session]. An event renew that is addressed to somebody is not for us.
func (s *leasedSession) Event(e *app.Event) {
	if e.Name != "renew" {
		s.inner.Event(e)
		return
	}
	f, ok := fieldsOf(argument(e), "token", "recipientUserId")
	if !ok || f[0] == nil || f[1] != nil {
		s.inner.Event(e)
		return
	}
	token, _ := stringValue(f[0]) // no text is no token
	id, err := s.gate.renew(s.lease, token)
	if err != nil {
		e.Ack.Send(refusal(err))
		return
	}
	e.Ack.Send(renewed(id, nil))
}

// Close implements [app.Session].
func (s *leasedSession) Close(reason string) {
	stopLease(s.lease)
	s.inner.Close(reason)
}
