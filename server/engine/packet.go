package engine

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
)

// Engine.IO packet types: the first byte of a packet. Binary messages carry none on a websocket, and packetBinary
// before their base64 form when they travel by polling, or are to or from a client that knows text alone.
//
// Rule: [packet encoding].
//
// [packet encoding]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#packet-encoding
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
	packetBinary  = 'b'

	// separator stands between the packets of one body.
	separator = 0x1e
)

// newID returns a session id of 20 characters: prefix, and random bits, 96 at least. Knowing it is all that a request
// needs to speak for the session.
func newID(prefix string) string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])[len(prefix):]
}

// openPacket returns the first packet of a session.
//
// Rule: [handshake].
//
// [handshake]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#handshake
func (s *Server) openPacket(id string, t Transport) []byte {
	upgrades := []string{}
	if t == Polling && s.allows(WebSocketTransport) {
		upgrades = append(upgrades, WebSocketTransport.String())
	}
	limits := s.conns.Config()
	packet, _ := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int64    `json:"maxPayload"`
	}{id, upgrades, limits.PingInterval.Milliseconds(), limits.PingTimeout.Milliseconds(), s.conns.MaxPayloadBytes()}) // cannot fail
	return append([]byte{packetOpen}, packet...)
}
