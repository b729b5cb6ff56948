package library

import (
	"encoding/json"

	"github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/cluster/format"
)

// remote is a socket on another server, as it told of it. The library makes its RemoteSocket of it, which comes back to
// the adapter with the id for a room.
type remote struct {
	id        sio.SocketId
	handshake *sio.Handshake
	rooms     *types.Set[sio.Room]
	data      any
}

var _ sio.SocketDetails = (*remote)(nil)

func (r *remote) Id() sio.SocketId            { return r.id }
func (r *remote) Handshake() *sio.Handshake   { return r.handshake }
func (r *remote) Rooms() *types.Set[sio.Room] { return r.rooms }
func (r *remote) Data() any                   { return r.data }

// newRemote reads what another server says of a socket. What it does not say, or says in another shape, is empty.
func newRemote(s format.Socket) *remote {
	r := &remote{id: sio.SocketId(s.ID), handshake: readHandshake(s.Handshake)}
	r.rooms = types.NewSet(libraryRooms(s.Rooms)...)
	_ = json.Unmarshal(s.Data, &r.data) // nil then
	return r
}

func readHandshake(raw json.RawMessage) *sio.Handshake {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // empty then
	h := new(sio.Handshake)
	for name, into := range map[string]any{
		"time": &h.Time, "address": &h.Address, "xdomain": &h.Xdomain, "secure": &h.Secure, "issued": &h.Issued,
		"url": &h.Url, "auth": &h.Auth,
	} {
		if value := members[name]; value != nil {
			_ = json.Unmarshal(value, into) // the zero value then
		}
	}
	h.Headers, h.Query = readValues(members["headers"]), readValues(members["query"])
	return h
}

// readValues reads an object whose values are a text each, or lists of them.
func readValues(raw json.RawMessage) map[string][]string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // empty then
	values := make(map[string][]string, len(members))
	for name, value := range members {
		var one string
		var list []string
		if json.Unmarshal(value, &one) == nil {
			values[name] = []string{one}
		} else if json.Unmarshal(value, &list) == nil {
			values[name] = list
		}
	}
	return values
}
