package hub

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
	// KindNamespace is a room that a program joined through the Socket.IO library; its name is the namespace, a NUL and
	// the room.
	KindNamespace
	// KindSocket is one socket by its id; its name is the namespace, a NUL and the id. Each socket is in its own.
	KindSocket
	// KindEverybody is everybody in a Socket.IO namespace, which is its name. A [Selection] without rooms means it.
	KindEverybody
)

func (k Kind) String() string {
	switch k {
	case KindUser:
		return "user"
	case KindLobby:
		return "lobby"
	case KindRoom:
		return "room"
	case KindAccount:
		return "account"
	case KindTopic:
		return "topic"
	case KindNamespace:
		return "namespace"
	case KindSocket:
		return "socket"
	case KindEverybody:
		return "everybody"
	default:
		return "unknown"
	}
}

// Room is the address of a room: rooms exist while they have members.
type Room struct {
	Kind Kind
	Name string
}

// NamespaceRoom returns the address of what a Socket.IO program calls room in namespace: the room of one socket where
// the name may be the id of one, else a room that sockets join.
//
// Rule: [sharded adapter, computeChannel]: other servers tell the two apart in the same way.
//
// [sharded adapter, computeChannel]: https://github.com/socketio/socket.io-redis-adapter/blob/8.3.0/lib/sharded-adapter.ts
func NamespaceRoom(namespace, room string) Room {
	if IsSocketID(room) {
		return SocketRoom(namespace, room)
	}
	return Room{Kind: KindNamespace, Name: namespace + "\x00" + room}
}

// SocketRoom returns the address of one socket in a namespace.
func SocketRoom(namespace, sid string) Room {
	return Room{Kind: KindSocket, Name: namespace + "\x00" + sid}
}

// EverybodyRoom returns the address of everybody in a namespace.
func EverybodyRoom(namespace string) Room { return Room{Kind: KindEverybody, Name: namespace} }

// SocketIDLength is the length of a socket id, in UTF-16 code units.
const SocketIDLength = 20

// IsSocketID reports whether a name may be the id of a socket, here or on a server of another kind.
func IsSocketID(name string) bool {
	if len(name) < SocketIDLength || len(name) > 3*SocketIDLength {
		return false
	}
	units := 0
	for _, r := range name {
		units++
		if r > 0xFFFF {
			units++
		}
	}
	return units == SocketIDLength
}
