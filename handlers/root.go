package handlers

import (
	"context"
	"log/slog"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// rootNamespace is the namespace that the broker and the chat share.
const rootNamespace = "/"

// Hub is what handlers need of the hub; [hub.Hub] is one. What a method promises is said there.
type Hub interface {
	Join(m *hub.Member, r hub.Room) bool
	Leave(m *hub.Member, r hub.Room) bool
	Contains(m *hub.Member, r hub.Room) bool
	Members(r hub.Room) []*hub.Member
	Send(r hub.Room, msg *hub.Message, except ...*hub.Member) int
	SendCounted(r hub.Room, msg *hub.Message, counted func(delivered int, complete bool))
	SendHere(r hub.Room, msg *hub.Message, except ...*hub.Member) int
	SendForeign(r hub.Room, msg *hub.Message)
}

// Identity is who a client has proved to be. The zero value is a client of an open server, which may be anybody.
type Identity struct {
	// UserID is the client's own id as text, or "" where none was asked for.
	UserID string
}

// may reports whether the client may speak as the user with this id.
func (id Identity) may(userID []byte) bool { return id.UserID == "" || string(userID) == id.UserID }

// RootOptions changes how "/" is served. The zero value is an open server.
type RootOptions struct {
	// Authenticate says who a client is, or refuses it: the error's text becomes its connect_error. It must not
	// return an identity without a UserID. With it a client joins only as itself, and a senderUserId in what it
	// relays must be its own. nil: everybody may be anybody.
	Authenticate func(app.Handshake) (Identity, error)
	// Nodes are the other nodes of a cluster; nil: there are none.
	Nodes hub.Nodes
	// Clustered says that the users are kept where other nodes find them. A user whose connection ends because this
	// server does then stays in its room: another node is about to take it over, or to release it with [Root.Release].
	Clustered bool
}

// Root serves the namespace "/": the broker and the chat. It is a [app.Handler].
type Root struct {
	// Static after construction.
	options RootOptions
	log     *slog.Logger

	broker   broker
	chat     chat
	counters counters
}

// NewRoot returns the handler of "/". Users of the chat are kept in users. The caller closes it after the last session
// has ended.
func NewRoot(h Hub, users store.UserStore, options RootOptions, log *slog.Logger) *Root {
	if options.Nodes == nil {
		options.Nodes = hub.Alone
	}
	r := &Root{options: options, log: log}
	r.broker = broker{hub: h, log: log, counters: &r.counters}
	r.chat = newChat(h, users, options, log, &r.counters)
	return r
}

// Close stops the timers of the chat and waits for what reads its lists. Lists of users that were still to be sent are not.
func (r *Root) Close() { r.chat.lobbies.close() }

// Release tells the rooms of users that they have left, on all nodes: their own has died. They are out of the store already.
// It returns when this node's lists were read again. It may be called from any goroutine, by one node of the cluster.
func (r *Root) Release(users []store.User) { r.chat.release(users) }

// Returned brings the lists of all rooms that have users here up to date, on all nodes. It is called when the other nodes, or
// the store, can be reached again, as what they were to be told meanwhile is lost, and when the store knows this node's users
// again, which it had forgotten. With declaredDead the others were told that the users here have left, so they are told that
// they are back. It returns when the lists were read, or ctx is over. It may be called from any goroutine.
func (r *Root) Returned(ctx context.Context, declaredDead bool) { r.chat.returned(ctx, declaredDead) }

// Stats returns what was done so far. It may be called from any goroutine.
func (r *Root) Stats() Stats { return r.counters.stats() }

// Connect implements [app.Handler].
func (r *Root) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	s := &rootSession{root: r, broker: brokerSession{peer: p}, chat: chatSession{peer: p}}
	if r.options.Authenticate != nil {
		identity, err := r.options.Authenticate(hs)
		if err != nil {
			return nil, err
		}
		if identity.UserID == "" {
			return nil, errNoIdentity
		}
		s.broker.identity = identity
	}
	return s, nil
}

// rootSession is one client on "/". It belongs to the goroutine that reads from the client.
type rootSession struct {
	root   *Root
	broker brokerSession
	chat   chatSession
}

// Event gives an event to its owner: join and time are the broker's, whatever is addressed is the broker's, then come
// the events of the chat, and what is left is the broker's, which cannot deliver it.
func (s *rootSession) Event(e *app.Event) {
	if s.chat.ended {
		return
	}
	b := &s.root.broker
	switch e.Name {
	case "join":
		b.join(&s.broker, e)
		return
	case "time":
		b.time(&s.broker, e)
		return
	}
	f := addressOf(e)
	if f.recipient == nil {
		if handle := chatEvent(e.Name); handle != nil {
			handle(&s.root.chat, &s.chat, e)
			return
		}
	}
	b.relay(&s.broker, e, f)
}

// Close implements [app.Session].
func (s *rootSession) Close(reason string) {
	if s.root.options.Clustered && reason == reasonShutdown {
		s.root.chat.abandon(&s.chat)
		return
	}
	s.root.chat.leave(&s.chat)
}
