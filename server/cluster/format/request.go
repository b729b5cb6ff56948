package format

import "encoding/json"

// RequestType is what a request wants of other servers. The numbers are this package's: each mode has its own on the wire.
type RequestType uint8

const (
	// RequestSockets asks for the ids of sockets; classic only, from adapters before 8. Answer: [ResponseIDs].
	RequestSockets RequestType = iota + 1
	// RequestAllRooms asks for the names of all rooms; classic only. Answer: [ResponseRooms].
	RequestAllRooms
	// RequestJoin puts the selected sockets into rooms. No answer, but to the single-socket form of adapters before 7,
	// which has an ID: [ResponseDone]. The same holds for leave and disconnect.
	RequestJoin
	// RequestLeave takes the selected sockets out of rooms.
	RequestLeave
	// RequestDisconnect disconnects the selected sockets.
	RequestDisconnect
	// RequestFetch asks for the selected sockets. Answer: [ResponseSockets], also for none.
	RequestFetch
	// RequestServerSide is an event for the servers themselves. Answer, where it has an ID: [ResponseValue].
	RequestServerSide
	// RequestBroadcast is a broadcast that asks its clients for answers. Answers: one [ResponseCount] from each server, also
	// for none, then one [ResponseAck] for each client that answers.
	RequestBroadcast
)

// Request is what one server wants of the others.
type Request struct {
	Type RequestType
	// UID is the asking adapter, "" for joins, leaves and disconnects of the Redis emitter.
	UID string
	// ID is what answers are sent under; "": none are wanted.
	ID string
	// Namespace is known in sharded mode only; in classic mode the channel says it, and it is "".
	Namespace string
	// Rooms and Except select sockets: of join, leave, disconnect, fetch and sockets. RoomKinds and ExceptKinds are the
	// letters of [Ext]; "" where the request is not from a signalbox node.
	Rooms, Except          []string
	RoomKinds, ExceptKinds string
	// Names are the rooms to join or leave.
	Names []string
	// Close says that a disconnect closes the clients' connections too.
	Close bool
	// Packet is the event of a RequestServerSide, its name first.
	Packet
	// Broadcast is what a RequestBroadcast asks. It is only read: [AppendClassic] and [AppendSharded] write it.
	Broadcast *Peeked
	// SID and Room are the single-socket form of join, leave (both) and disconnect (SID), of adapters before 7.
	SID, Room string
}

// ResponseType is what a response brings.
type ResponseType uint8

const (
	// ResponseDone says only that a request was carried out.
	ResponseDone ResponseType = iota + 1
	// ResponseIDs brings the ids of sockets, in Rooms.
	ResponseIDs
	// ResponseRooms brings the names of rooms.
	ResponseRooms
	// ResponseSockets brings sockets.
	ResponseSockets
	// ResponseValue brings a server's answer to an event: at most one argument.
	ResponseValue
	// ResponseCount tells how many clients a broadcast asks on one server.
	ResponseCount
	// ResponseAck brings one client's answer.
	ResponseAck
)

// Response is a server's answer to a [Request].
type Response struct {
	Type ResponseType
	// UID is the answering adapter and Namespace its namespace, in sharded mode; "" in classic mode.
	UID, Namespace string
	// ID is that of the request.
	ID string
	// Rooms are those of a ResponseRooms, or the ids of a ResponseIDs.
	Rooms []string
	// Sockets are those of a ResponseSockets.
	Sockets []Socket
	// Packet is the value of a ResponseValue or ResponseAck. Node servers send one argument at most, the first; signalbox
	// nodes send each other all arguments of an ack.
	Packet
	// Count is that of a ResponseCount.
	Count int64
	// SID is the socket whose answer a ResponseAck brings, "" where the server is no signalbox node.
	SID string
}

// Socket is a socket on another server, as fetchSockets gives it.
type Socket struct {
	ID string `json:"id"`
	// Handshake is an object. Node programs rely on its headers, query and auth; nil is written with these, empty.
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	// Data is what the server keeps with the socket; nil is written as an empty object.
	Data json.RawMessage `json:"data"`
}
