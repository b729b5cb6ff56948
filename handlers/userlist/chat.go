package userlist

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
)

// MaxNameBytes is how long the name of a chat user and of a room may be. Each is sent to everybody in the room.
const MaxNameBytes = 1024

// storeTimeout is how long the user store may take for one call.
const storeTimeout = 5 * time.Second

// returner is a [store.UserStore] whose nodes may leave on purpose.
type returner interface {
	// SaveUserBack is SaveUser. back reports that u has taken over, in its place in the room, a user of the same name
	// whose node is leaving: nobody was told that they had gone.
	SaveUserBack(ctx context.Context, u store.User) (added, back bool, err error)
}

// mover is a [store.UserStore] whose users may go from one node to another.
type mover interface {
	// MoveUser makes u, in its place in the room, a user of this node. Forget has this node forget a user of another.
	MoveUser(ctx context.Context, u store.User) error
	Forget(id string)
}

// Options are what a chat stands on. All but Nodes and Clustered are needed.
type Options struct {
	Hub   *hub.Hub
	Users store.UserStore
	Log   *slog.Logger
	// Nodes are the other nodes of a cluster; nil: there are none.
	Nodes hub.Nodes
	// Clustered says that the users are kept where other nodes find them. A user whose connection ends because this
	// server does then stays in its room: another node is about to take it over, or to release it with [Chat.Release].
	Clustered bool
}

// Chat is rooms with users who have logged in under a name. What it stores is in a [store.UserStore].
type Chat struct {
	// Static after construction.
	hub       *hub.Hub
	users     store.UserStore
	nodes     hub.Nodes
	clustered bool
	lists     *lists
	log       *slog.Logger

	stats Stats
}

// Session is one client of the chat. It belongs to the goroutine that reads from the client.
type Session struct {
	chat *Chat
	peer app.Peer
	addr string
	// identity is whom the client's token speaks for; nil: it need not have one.
	identity *auth.Identity
	// user is who the socket is logged in as, and list the room's; the zero value and nil before.
	user  store.User
	list  *list
	moved bool // it comes from another node, and has not landed yet
}

// New returns a chat. The caller closes it after the last session has ended.
func New(o Options) *Chat {
	if o.Nodes == nil {
		o.Nodes = hub.Alone
	}
	c := &Chat{hub: o.Hub, users: o.Users, nodes: o.Nodes, clustered: o.Clustered, log: o.Log}
	c.lists = newLists(o, &c.stats)
	return c
}

// Close stops the timers of the lists and waits for what reads them. Lists that were still to be sent are not.
func (c *Chat) Close() { c.lists.close() }

// Open begins the session of one client. One whose handshake has an identity logs in to the rooms that its token opens alone,
// under the name that the token gives, if it gives any.
func (c *Chat) Open(p app.Peer, hs app.Handshake) *Session {
	return &Session{chat: c, peer: p, addr: hs.RemoteAddr, identity: hs.Identity}
}

// Event handles one event of the client, and reports whether it is one of the chat's.
func (s *Session) Event(e *app.Event) bool {
	switch e.Name {
	case "login":
		app.Charge(s.peer, app.WeightCostly)
		s.login(e)
	case "logout":
		app.Charge(s.peer, app.WeightCostly)
		s.logout(e)
	case "roomMessage":
		s.roomMessage(e)
	case "ping":
		s.ping(e)
	default:
		return false
	}
	return true
}

// userID returns whom the client's token speaks for, "" without one.
func (s *Session) userID() string {
	if s.identity == nil {
		return ""
	}
	return s.identity.UserID()
}

// Renewed goes on with a newer token of the same user. A room that it does not open is left, and the others there are told. The
// name is that of the last login.
func (s *Session) Renewed(id *auth.Identity) (left []string) {
	s.identity = id
	if s.list != nil && !id.CanJoin(s.user.Room) {
		left = []string{s.user.Room}
		s.leave()
	}
	return left
}

// Close ends the session: the client has gone.
func (s *Session) Close(reason string) {
	if s.chat.clustered && (reason == app.ReasonShutdown || reason == app.ReasonMoved) {
		s.abandon(reason)
		return
	}
	s.leave()
}

// login makes the socket a user of a room. The others hear of it; everybody gets the list of users, the new user before
// the callback is answered.
func (s *Session) login(e *app.Event) {
	c := s.chat
	if !s.wantsCallback(e) {
		return
	}
	name, room := credentials(e)
	if s.identity != nil && s.identity.Named() {
		name = s.identity.Name()
	}
	if name == "" || room == "" {
		c.refuseLogin(e, "No room or name provided")
		return
	}
	if s.identity != nil && !s.identity.CanJoin(room) {
		c.refuseLogin(e, "Access denied")
		return
	}
	if s.list != nil {
		c.refuseLogin(e, "user already exists")
		return
	}
	user := store.User{ID: s.peer.ID(), Name: name, Room: room}
	l := c.lists.enter(room)
	added, back, err := c.save(user)
	if err != nil {
		c.storeFailed("chat user not saved", err)
		c.delete(user.ID) // it may have been saved all the same
		c.left(l)
		c.refuseLogin(e, "user store unavailable")
		return
	}
	if !added {
		c.lists.exit(l)
		c.refuseLogin(e, "user already exists")
		return
	}
	if !c.hub.Join(s.peer.Member(), l.address) {
		c.delete(user.ID)
		if back {
			c.gone(l.address, name) // who was there all the time
		}
		c.left(l)
		c.refuseLogin(e, "this socket is in too many rooms")
		return
	}
	s.user, s.list = user, l
	c.stats.Logins.Add(1)
	if back {
		c.stats.Returns.Add(1)
	} else {
		c.entered(l.address, name, s.peer.Member())
	}
	l.changed(s.peer.Member())
	e.Ack.Send(struct {
		User    store.User `json:"user"`
		Partial bool       `json:"partial,omitempty"`
	}{user, !c.hub.Heard(l.address)})
}

// logout ends what login began; without a login it only answers.
func (s *Session) logout(e *app.Event) {
	if !s.wantsCallback(e) {
		return
	}
	s.leave()
	e.Ack.Send()
}

// leave takes the socket out of its room, if it is in one, and tells the rest.
func (s *Session) leave() {
	c := s.chat
	if s.list == nil {
		return
	}
	l, user := s.list, s.user
	s.list, s.user = nil, store.User{}
	c.delete(user.ID)
	c.stats.Logouts.Add(1)
	c.hub.Leave(s.peer.Member(), l.address)
	c.gone(l.address, user.Name)
	c.left(l)
}

// left is called after a user was deleted: who is still in the room gets the list, as any may have named that user.
func (c *Chat) left(l *list) {
	if c.lists.clustered {
		l.changed(nil) // though nobody may be left here
		c.lists.exit(l)
	} else if !c.lists.exit(l) {
		l.changed(nil)
	}
}

// roomMessage sends the first argument, byte for byte, to everybody in the sender's room, the sender included.
func (s *Session) roomMessage(e *app.Event) {
	c := s.chat
	if s.list == nil {
		e.Ack.Send(json.RawMessage(`{"ok":false,"error":"not logged in"}`))
		return
	}
	args, attachments := e.FirstArgument()
	from := rawjson.String(s.user.Name)
	size := len(`{"message":,"from":}`) + len(from)
	if len(args) > 0 {
		size += len(args[0])
	}
	data := append(make([]byte, 0, size), '{')
	if len(args) > 0 { // undefined has no JSON: the key is absent
		data = append(data, `"message":`...)
		data = append(data, args[0]...)
		data = append(data, ',')
	}
	data = append(data, `"from":`...)
	data = append(data, from...)
	data = append(data, '}')
	c.hub.Send(s.list.address, &hub.Message{
		Namespace:   message.RootNamespace,
		Event:       "roomMessage",
		Args:        []json.RawMessage{data},
		Attachments: attachments,
	})
	c.stats.RoomMessages.Add(1)
	if c.nodes.Up() {
		e.Ack.Send(message.OK)
	} else {
		e.Ack.Send(message.Partial)
	}
}

// ping answers with the socket's id.
func (s *Session) ping(e *app.Event) {
	if s.wantsCallback(e) {
		e.Ack.Send(s.peer.ID())
	}
}

// wantsCallback reports whether e has a callback. A socket that sends none where one is needed is disconnected.
func (s *Session) wantsCallback(e *app.Event) bool {
	if e.Ack.Wanted() {
		return true
	}
	s.chat.stats.MissingCallbacks.Add(1)
	s.chat.log.Debug("client cut", "sid", s.peer.ID(), "user", s.userID(), "address", s.addr, "reason", "an event without a callback")
	s.peer.Disconnect(false)
	return false
}

func (c *Chat) refuseLogin(e *app.Event, text string) {
	c.stats.LoginsRefused.Add(1)
	e.Ack.Send(json.RawMessage(`{"error":"` + text + `"}`))
}

// save adds a user to the store. back: nobody has to be told.
func (c *Chat) save(user store.User) (added, back bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if r, ok := c.users.(returner); ok {
		return r.SaveUserBack(ctx, user)
	}
	added, err = c.users.SaveUser(ctx, user)
	return added, false, err
}

// delete takes a user out of the store. Nobody could do anything about a failure but an operator.
func (c *Chat) delete(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if _, _, err := c.users.DeleteUser(ctx, id); err != nil {
		c.storeFailed("chat user not deleted", err)
	}
}

func (c *Chat) storeFailed(what string, err error) {
	c.stats.StoreErrors.Add(1)
	c.log.Error(what, "error", err)
}

// entered tells a room, but for the one who has come, that somebody has.
func (c *Chat) entered(room hub.Room, name string, self *hub.Member) {
	c.notify(room, "Someone's here", name+" just entered the room", self)
}

// gone tells a room that somebody has left it.
func (c *Chat) gone(room hub.Room, name string) {
	c.notify(room, "Someone just left", name+" just left the room")
}

// notify tells everybody in a room, on every node, but the ones in except. The title is in need of no escape.
func (c *Chat) notify(room hub.Room, title, description string, except ...*hub.Member) {
	data := rawjson.AppendString([]byte(`{"title":"`+title+`","description":`), description)
	c.hub.Send(room, &hub.Message{
		Namespace: message.RootNamespace,
		Event:     "notification",
		Args:      []json.RawMessage{append(data, '}')},
	}, except...)
}

// credentials returns the name and the room in the first argument of a login, each "" where it is no string of letters and
// digits after trimming.
func credentials(e *app.Event) (name, room string) {
	f, ok := rawjson.Fields(e.Argument(), "name", "room")
	if !ok {
		return "", ""
	}
	return word(f[0]), word(f[1])
}

// word returns the text of a JSON string without the space around it, or "" where that is not 1 to [MaxNameBytes]
// letters and digits.
func word(raw []byte) string {
	text, ok := rawjson.Text(raw)
	if !ok {
		return ""
	}
	text = strings.TrimFunc(text, isJSSpace)
	if len(text) > MaxNameBytes {
		return ""
	}
	for i := range len(text) {
		c := text[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			return ""
		}
	}
	return text
}

// isJSSpace reports whether String.prototype.trim removes r.
//
// Rule: [ECMA-262, white space and line terminators].
//
// [ECMA-262, white space and line terminators]: https://tc39.es/ecma262/#sec-white-space
func isJSSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF:
		return true
	}
	return 0x2000 <= r && r <= 0x200A
}
