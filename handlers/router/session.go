package router

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/trace"
)

// door is the handler of one namespace that a route names.
type door struct {
	router *Router
	space  *space
	inner  app.Handler // nil: there is no other
}

// ConnectWeight implements [app.Patient].
func (d *door) ConnectWeight() float64 {
	if d.space.connect != nil && d.space.connect.Remote() {
		return app.WeightConnectAsked
	}
	return 0
}

// Connect implements [app.Handler].
func (d *door) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	r := d.router
	socket := &Socket{Peer: p, Address: hs.RemoteAddr, Since: time.Now(), router: r, gone: hs.Gone, Visit: newVisit()}
	s := &session{router: r, space: d.space, socket: socket}
	var welcome *Welcome
	if d.space.connect != nil {
		var err error
		if welcome, err = r.ask(d.space.connect, socket, hs); err != nil {
			return nil, r.refusal(err)
		}
	} else if hs.Identity != nil {
		socket.user = hs.Identity.UserID()
	}
	if d.inner != nil {
		inner, err := d.inner.Connect(p, hs)
		if err != nil {
			if d.space.connect != nil && d.space.leaver != nil {
				d.space.leaver.Left(socket, ReasonNotAdmitted)
			}
			return nil, err
		}
		s.inner = inner
	}
	if welcome != nil {
		r.welcome(s, welcome)
	}
	s.user = socket.User()
	r.o.Occupancy.userCame(p.Namespace(), s.user)
	return s, nil
}

// refusal is what a client is told whom a backend did not let in.
func (r *Router) refusal(err error) error {
	if refusal := (*app.ConnectError)(nil); errors.As(err, &refusal) {
		r.counters.refused.Add(1)
		return refusal
	}
	r.counters.turnedAway.Add(1)
	return app.ErrUnavailable
}

// ask has a backend say whether a client may come in.
func (r *Router) ask(backend Backend, socket *Socket, hs app.Handshake) (*Welcome, error) {
	c := &Connect{
		Socket: socket, Auth: withoutSession(hs.Auth), Headers: hs.Header, Address: hs.RemoteAddr, Query: queryOf(hs),
	}
	if token, identity := r.identity(hs); identity != nil {
		socket.user, socket.proved, c.Claims = identity.UserID(), identity.UserID(), claimsOf(token)
	}
	span := r.o.Tracer.Start(trace.Server, "connect", socket.Peer.Namespace())
	defer span.End()
	welcome, err := backend.Connect(span.In(socket.Context()), c)
	if err != nil {
		span.Fail(fault(err))
	}
	return welcome, err
}

// fault names an error of a backend for a trace, which has nothing of what the backend said.
func fault(err error) string {
	refusal, failure := (*app.ConnectError)(nil), (*Failure)(nil)
	switch {
	case errors.As(err, &refusal):
		return "refused"
	case errors.As(err, &failure):
		return "failed"
	default:
		return "unavailable"
	}
}

// identity returns whom a client's token speaks for, nil for nobody: the backend may have tokens of its own.
func (r *Router) identity(hs app.Handshake) (token string, identity *auth.Identity) {
	if r.o.Token != nil {
		token = r.o.Token(hs)
	}
	if identity = hs.Identity; identity == nil && token != "" && r.o.Verify != nil {
		identity, _ = r.o.Verify(token)
	}
	return token, identity
}

// User implements [app.Known].
func (s *session) User() string {
	return cmp.Or(s.socket.User(), app.UserOf(s.inner, s.socket.Peer.Member()))
}

// Return implements [app.Returner]: the backend is not asked again about a client that it has let in, but the token that the
// client had then must be good still, or a newer one of the same user be there.
func (s *session) Return(hs app.Handshake) error {
	if err := s.verify(hs); err != nil {
		return err
	}
	if r, ok := s.inner.(app.Returner); ok {
		return r.Return(hs)
	}
	return nil
}

// verify looks whether a client that has come back is whom its token named when it came.
func (s *session) verify(hs app.Handshake) error {
	if proved := s.socket.proved; proved != "" {
		if _, identity := s.router.identity(hs); identity == nil || identity.UserID() != proved {
			return errors.New("another user, or a token that is not good")
		}
	}
	return nil
}

// welcome does what a backend wants for a client that comes in.
func (r *Router) welcome(s *session, w *Welcome) {
	socket := s.socket
	socket.Named(w.User)
	socket.SetData(w.Data)
	user := socket.User()
	namespace, member := socket.Peer.Namespace(), socket.Peer.Member()
	if user != "" && s.inner == nil {
		r.o.Hub.Join(member, UserRoom(namespace, user))
	}
	for _, name := range w.Rooms {
		r.o.Hub.Join(member, hub.RoomNamed(namespace, name))
	}
	for i := range w.Emit {
		r.emit(socket, &w.Emit[i])
	}
	s.expire(w.Expires)
}

// expire ends the client's stay at a time; zero: never.
func (s *session) expire(at time.Time) {
	if s.expires = at; !at.IsZero() {
		s.expiry = time.AfterFunc(time.Until(at), func() { s.socket.Peer.Disconnect(false) })
	}
}

func newVisit() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// withoutSession returns the payload of a CONNECT without what belongs to connection state recovery.
func withoutSession(auth json.RawMessage) json.RawMessage {
	if f, ok := rawjson.Fields(auth, "pid", "offset"); !ok || f[0] == nil && f[1] == nil {
		return bytes.Clone(auth)
	}
	out := []byte{'{'}
	for m := rawjson.Checked(auth); ; {
		key, value, ok := m.Next()
		if !ok {
			return append(out, '}')
		}
		if k := string(key); k != "pid" && k != "offset" {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(rawjson.AppendString(out, k), ':'), value...)
		}
	}
}

// queryOf returns the query of a handshake without what is the transport's.
func queryOf(hs app.Handshake) map[string]string {
	out := make(map[string]string)
	if hs.Queries == nil {
		return out
	}
	for name, values := range hs.Queries() {
		if len(values) > 0 && !slices.Contains(transportQuery, name) {
			out[name] = values[0]
		}
	}
	return out
}

var transportQuery = []string{"EIO", "transport", "sid", "t", "b64", "j"}

// claimsOf returns the claims of a token that is good; nil where they cannot be read.
func claimsOf(token string) json.RawMessage {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || rawjson.CheckObject(claims) != nil {
		return nil
	}
	return claims
}
