package broker

import (
	"encoding/json"
	"log/slog"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
)

// Broker serves the namespace "/". It is a [app.Handler].
type Broker struct {
	// Static after construction.
	hub   *hub.Hub
	open  func(app.Peer, app.Handshake) Second
	log   *slog.Logger
	stats Stats
}

var _ app.Mover = (*Broker)(nil)

// Second is the session of another handler on "/", beside the broker's.
type Second interface {
	// Event handles an event that is addressed to nobody, and reports whether it has to do with it at all.
	Event(e *app.Event) bool
	// Renewed goes on with a newer token of the same user. It returns the rooms that it has left for that.
	Renewed(id *auth.Identity) (left []string)
	Close(reason string)
	app.Packer
	app.Lander
	app.Stayer
	// Resume goes on with what Pack returned at another node.
	Resume(state json.RawMessage) error
}

// New returns the handler of "/". A client whose handshake has an identity joins only as itself, and a senderUserId in what
// it relays must be its own; any other may be anybody. open begins the session that gets what is not the broker's; nil:
// there is none.
func New(h *hub.Hub, open func(app.Peer, app.Handshake) Second, log *slog.Logger) *Broker {
	if open == nil {
		open = func(app.Peer, app.Handshake) Second { return none{} }
	}
	return &Broker{hub: h, open: open, log: log}
}

// Stats returns what was done so far; it goes on counting.
func (b *Broker) Stats() *Stats { return &b.stats }

// Connect implements [app.Handler].
func (b *Broker) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	s := &session{broker: b, peer: p}
	if hs.Identity != nil {
		s.userID = hs.Identity.UserID()
	}
	s.second = b.open(p, hs)
	return s, nil
}

// packed is what goes on with a client at another node.
type packed struct {
	Joined json.RawMessage `json:"joined,omitempty"`
	Second json.RawMessage `json:"second,omitempty"`
}

// Resume implements [app.Mover].
func (b *Broker) Resume(p app.Peer, hs app.Handshake, state json.RawMessage) (app.Session, error) {
	var was packed
	if err := json.Unmarshal(state, &was); err != nil {
		return nil, err
	}
	inner, _ := b.Connect(p, hs) // it refuses nobody
	s := inner.(*session)
	s.joined = was.Joined
	return s, s.second.Resume(was.Second)
}

// session is one client on "/". It belongs to the goroutine that reads from the client.
type session struct {
	broker *Broker
	second Second
	peer   app.Peer
	// userID is who the client has proved to be; "": it may be anybody.
	userID string
	// joined is the JSON of the last id the socket joined as; nil before a join.
	joined json.RawMessage
	// recipient is the user it addressed last: whoever talks to one user needs their name as a string only once.
	recipient string
	answers   answers
}

// may reports whether the client may speak as the user with this id.
func (s *session) may(userID []byte) bool { return s.userID == "" || string(userID) == s.userID }

// Event gives an event to its owner: join and time are the broker's, whatever is addressed is the broker's, then come
// the events of the second handler, and what is left is the broker's, which cannot deliver it.
func (s *session) Event(e *app.Event) {
	switch e.Name {
	case "join":
		s.join(e)
		return
	case "time":
		s.time(e)
		return
	}
	a := addressOf(e)
	if a.recipient == nil && s.second.Event(e) {
		return
	}
	s.relay(e, a)
}

// Renewed goes on with a newer token of the same user.
func (s *session) Renewed(id *auth.Identity) (left []string) { return s.second.Renewed(id) }

// Pack implements [app.Packer].
func (s *session) Pack() json.RawMessage {
	b, _ := json.Marshal(packed{s.joined, s.second.Pack()}) // of checked JSON
	return b
}

// Landed implements [app.Lander].
func (s *session) Landed() { s.second.Landed() }

// Stayed implements [app.Stayer].
func (s *session) Stayed() { s.second.Stayed() }

// Close implements [app.Session].
func (s *session) Close(reason string) { s.second.Close(reason) }

// none is a second handler that takes nothing.
type none struct{}

func (none) Event(*app.Event) bool           { return false }
func (none) Renewed(*auth.Identity) []string { return nil }
func (none) Close(string)                    {}
func (none) Pack() json.RawMessage           { return nil }
func (none) Landed()                         {}
func (none) Stayed()                         {}
func (none) Resume(json.RawMessage) error    { return nil }
