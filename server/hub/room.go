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
	// KindNamespace is a room that the Socket.IO library joined; its name is the namespace, a NUL and the room.
	KindNamespace
	// KindSocket is one socket by its id; its name is the namespace, a NUL and the id. It stands in selections: nobody
	// joins it.
	KindSocket
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
	default:
		return "unknown"
	}
}

// Room is the address of a room: rooms exist while they have members.
type Room struct {
	Kind Kind
	Name string
}

// NamespaceRoom returns the address of a room that the Socket.IO library knows as room in namespace.
func NamespaceRoom(namespace, room string) Room {
	return Room{Kind: KindNamespace, Name: namespace + "\x00" + room}
}

// SocketRoom returns the address of one socket in a namespace.
func SocketRoom(namespace, sid string) Room {
	return Room{Kind: KindSocket, Name: namespace + "\x00" + sid}
}
