package hub

import "strings"

// Kind says what a room's name stands for. A chat room called 42 and the user 42 are different addresses, so a name
// that a client chose can never reach a room of another kind.
type Kind uint8

const (
	// KindUser is a user of the broker on "/": everybody who sent join with that senderUserId.
	KindUser Kind = iota + 1
	// KindLobby is a chat room of "/": everybody who logged in to it.
	KindLobby
	// KindRoom is a room shared by the plain WebSocket /ws and the namespace /chat.
	KindRoom
	// KindAccount is an authenticated user: their /chat sockets, /notification sockets and SSE streams.
	KindAccount
	// KindTopic is a publish channel that is not a user or a room: update, broadcast, tap.
	KindTopic
	// KindNamespace is a room that a program joined through the Socket.IO library; its name is the namespace, a NUL
	// and the room.
	KindNamespace
	// KindSocket is one socket by its id; its name is the namespace, a NUL and the id. Each socket is in its own.
	KindSocket
	// KindEverybody is everybody in a Socket.IO namespace, which is its name. A [Selection] without rooms means it.
	KindEverybody
)

// accountPrefix is what servers without kinds call the room of an account, before the user's id.
const accountPrefix = "user:"

// kinds are what is to be known of each kind.
var kinds = [...]struct {
	name      string
	letter    byte   // stands for the kind between signalbox servers
	namespace string // where its rooms are; "": in the room's name, or no Socket.IO client knows them
	prefix    string // what servers without kinds put before the room's name
}{
	KindUser:      {"user", 'u', "/", ""},
	KindLobby:     {"lobby", 'l', "/", ""},
	KindRoom:      {"room", 'r', "/chat", ""},
	KindAccount:   {"account", 'a', "/chat", accountPrefix},
	KindTopic:     {"topic", 't', "", ""},
	KindNamespace: {"namespace", 'n', "", ""},
	KindSocket:    {"socket", 's', "", ""},
	KindEverybody: {"everybody", 'e', "", ""},
}

func (k Kind) String() string {
	if k == 0 || int(k) >= len(kinds) {
		return "unknown"
	}
	return kinds[k].name
}

// Letter returns the letter that stands for the kind between signalbox servers.
func (k Kind) Letter() byte { return kinds[k].letter }

// KindsOf returns the kinds of a namespace: what a user there is, 0 where there are none, and what a room is.
func KindsOf(namespace string) (user, room Kind) {
	switch namespace {
	case kinds[KindUser].namespace:
		return KindUser, KindLobby
	case kinds[KindAccount].namespace:
		return KindAccount, KindRoom
	default:
		return 0, KindNamespace
	}
}

// RoomNamed returns the room that backends mean by a name in a namespace. As everywhere, user:<id> in /chat is an
// account.
func RoomNamed(namespace, name string) Room {
	_, kind := KindsOf(namespace)
	if kind == KindNamespace {
		return NamespaceRoom(namespace, name)
	}
	if id, ok := strings.CutPrefix(name, accountPrefix); ok && kind == KindRoom {
		return Room{Kind: KindAccount, Name: id}
	}
	return Room{Kind: kind, Name: name}
}

// MayJoin reports whether a client may join a room of this name in /chat, on /ws and as a stream: not one that is
// called like the room of an account.
func MayJoin(name string) bool { return !strings.HasPrefix(name, accountPrefix) }

// Place returns the namespace in which a room is reached, and its name there.
func (r Room) Place() (namespace, name string) {
	switch r.Kind {
	case KindNamespace, KindSocket:
		namespace, name, _ = strings.Cut(r.Name, "\x00")
		return namespace, name
	case KindEverybody:
		return r.Name, ""
	}
	return kinds[r.Kind].namespace, r.Name
}

// Names says what rooms are called between servers: by the signalbox servers, which tell each other the kind beside
// the name, and by servers that know no kinds, such as Node's. No name that a client may choose is one under which
// such a server has an account or a socket, and none that such a server uses for an account or a socket reaches a
// room that clients may choose.
type Names struct {
	// Verified says that on "/" too everybody has proved who they are: users there are accounts.
	Verified bool
}

// Hidden begins the name of a room that servers without kinds are not to take for one of theirs.
const Hidden = "\x00"

// mayBeSocket reports whether a name may be the id that a server has given to a socket. It is narrower than
// [IsSocketID], which says what a Node server takes for one: fewer rooms are kept from other servers.
func mayBeSocket(name string) bool {
	if len(name) != SocketIDLength {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// hides reports whether the name of a room says something else to servers without kinds.
func (n Names) hides(r Room) bool {
	switch r.Kind {
	case KindUser:
		return !n.Verified && (mayBeSocket(r.Name) || strings.HasPrefix(r.Name, Hidden))
	case KindLobby:
		return n.Verified || mayBeSocket(r.Name) || strings.HasPrefix(r.Name, Hidden)
	case KindRoom:
		return strings.HasPrefix(r.Name, accountPrefix) || mayBeSocket(bareID(kinds[KindRoom].namespace, r.Name)) || strings.HasPrefix(r.Name, Hidden)
	default:
		return false
	}
}

// Of returns the namespace of a room, "" where no Socket.IO client knows it, and what the room is called between
// servers.
func (n Names) Of(r Room) (namespace, name string) {
	namespace, name = r.Place()
	if n.hides(r) {
		return namespace, Hidden + name
	}
	return namespace, kinds[r.Kind].prefix + name
}

// Room returns the room of a kind that a name between servers means, and whether there can be one.
func (n Names) Room(namespace, name string, letter byte) (Room, bool) {
	if letter == 'b' { // what earlier versions wrote where a name may be a room or a socket
		letter = KindNamespace.Letter()
	}
	for kind := KindUser; int(kind) < len(kinds); kind++ {
		if kinds[kind].letter != letter {
			continue
		}
		switch kind {
		case KindNamespace:
			return NamespaceRoom(namespace, name), true
		case KindSocket:
			return SocketRoom(namespace, name), true
		}
		own, ok := strings.CutPrefix(name, kinds[kind].prefix)
		r := Room{Kind: kind, Name: strings.TrimPrefix(own, Hidden)}
		if !n.hides(r) {
			r.Name = own
		}
		return r, ok
	}
	return Room{}, false
}

// AppendForeign appends the rooms that a server without kinds means by a name. In /chat user:<id> is the account
// alone. What may be the id of a socket is that socket, or a room that a program joined. On "/" where everybody is
// verified any other name is a user; where not, a user and a chat room, which such a server does not tell apart.
func (n Names) AppendForeign(rooms []Room, namespace, name string) []Room {
	user, room := KindsOf(namespace)
	switch {
	case user == KindAccount && strings.HasPrefix(name, accountPrefix):
		return append(rooms, Room{Kind: KindAccount, Name: name[len(accountPrefix):]})
	case user == KindUser && n.Verified:
		rooms = append(rooms, Room{Kind: KindUser, Name: name})
	case mayBeSocket(bareID(namespace, name)) || room == KindNamespace:
	case user == KindUser:
		rooms = append(rooms, Room{Kind: KindUser, Name: name}, Room{Kind: KindLobby, Name: name})
	default:
		rooms = append(rooms, Room{Kind: room, Name: name})
	}
	return append(rooms, NamespaceRoom(namespace, name))
}
