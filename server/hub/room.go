package hub

import "encoding/json"

// Room is the address of a room: rooms exist while they have members.
type Room struct {
	Kind Kind
	Name string
}

// roomJSON is how nodes tell each other of a room: its name may be any bytes.
type roomJSON struct {
	Kind Kind   `json:"k"`
	Name []byte `json:"n"`
}

// MarshalJSON implements [json.Marshaler].
func (r Room) MarshalJSON() ([]byte, error) { return json.Marshal(roomJSON{r.Kind, []byte(r.Name)}) }

// UnmarshalJSON implements [json.Unmarshaler].
func (r *Room) UnmarshalJSON(text []byte) error {
	var is roomJSON
	err := json.Unmarshal(text, &is)
	*r = Room{is.Kind, string(is.Name)}
	return err
}

// NamespaceRoom returns the address of what a Socket.IO program calls room in namespace: the room of one socket where
// the name may be the id of one, else a room that sockets join.
//
// Rule: [sharded adapter, computeChannel]: other servers tell the two apart in the same way.
//
// [sharded adapter, computeChannel]: https://github.com/socketio/socket.io-redis-adapter/blob/8.3.0/lib/sharded-adapter.ts
func NamespaceRoom(namespace, room string) Room {
	if IsSocketIn(namespace, room) {
		return SocketRoom(namespace, room)
	}
	return Room{Kind: KindNamespace, Name: namespace + "\x00" + room}
}

// IsSocketIn is [IsSocketID] for a name in a namespace. Before ids of clients of Engine.IO 3 there is its name and #.
func IsSocketIn(namespace, name string) bool { return IsSocketID(bareID(namespace, name)) }

func bareID(namespace, name string) string {
	if n := len(namespace); n > 1 && len(name) > n && name[n] == '#' && name[:n] == namespace {
		return name[n+1:]
	}
	return name
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

// RoomCount is a room and how many connections are in it.
type RoomCount struct {
	Room    Room
	Members int
}
