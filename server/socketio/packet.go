package socketio

import (
	"encoding/json"
	"errors"
	"fmt"

	"signalbox/server/rawjson"
)

// packetType is the first character of a Socket.IO packet.
type packetType byte

// Rule: packet types of [Socket.IO v5].
//
// [Socket.IO v5]: https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md#packet-encoding
const (
	typeConnect      packetType = '0'
	typeDisconnect   packetType = '1'
	typeEvent        packetType = '2'
	typeAck          packetType = '3'
	typeConnectError packetType = '4'
	typeBinaryEvent  packetType = '5'
	typeBinaryAck    packetType = '6'
)

const (
	// maxAttachments bounds the binary attachments of one packet: the reference parser's own default.
	maxAttachments = 10
	// maxIDDigits bounds an ack id. An id beyond 64 bits is fine: it goes back as the digits it came in.
	maxIDDigits = 64
	// maxNamespaceBytes and maxEventBytes bound names, which end up in maps, logs and headers of other packets.
	maxNamespaceBytes = 512
	maxEventBytes     = 1024
)

var (
	errPacket      = errors.New("malformed packet")
	errAttachments = errors.New("illegal attachments")
	errReserved    = errors.New("reserved event name")
	errTooLong     = errors.New("name too long")
)

// packet is one decoded packet. Its slices alias what was decoded.
type packet struct {
	kind        packetType
	namespace   []byte // with its leading slash
	id          []byte // digits; empty: no ack wanted
	attachments int
	payload     []byte            // CONNECT and DISCONNECT: as it stands; nil: there is none
	args        []json.RawMessage // EVENT: name first; ACK
}

var rootNamespace = []byte("/")

// isBinary reports whether data begins a packet that may have attachments.
func isBinary(data []byte) bool {
	return len(data) > 0 && (packetType(data[0]) == typeBinaryEvent || packetType(data[0]) == typeBinaryAck)
}

// decode reads one packet strictly. args is storage for the packet's arguments.
//
// Rule: what the reference parser refuses is refused: unknown types, payloads of the wrong shape, reserved event names,
// attachment counts it could not have written, anything behind the JSON.
func decode(data []byte, args []json.RawMessage) (p packet, err error) {
	payload, err := p.setHead(data)
	if err == nil {
		err = p.setPayload(payload, args)
	}
	return p, err
}

// setHead reads what comes before the payload, and returns that.
func (p *packet) setHead(data []byte) (payload []byte, err error) {
	if len(data) == 0 {
		return nil, errPacket
	}
	p.kind, p.namespace = packetType(data[0]), rootNamespace
	if p.kind < typeConnect || p.kind > typeBinaryAck {
		return nil, fmt.Errorf("%w: unknown type", errPacket)
	}
	rest := data[1:]
	if isBinary(data) {
		if p.attachments, rest, err = cutAttachments(rest); err != nil {
			return nil, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		end := 0
		for end < len(rest) && rest[end] != ',' {
			end++
		}
		if end > maxNamespaceBytes {
			return nil, fmt.Errorf("namespace: %w", errTooLong)
		}
		p.namespace = rest[:end]
		rest = rest[min(end+1, len(rest)):]
	}
	n := rawjson.SkipDigits(rest, 0)
	if n > maxIDDigits {
		return nil, fmt.Errorf("ack id: %w", errTooLong)
	}
	p.id = rest[:n]
	return rest[n:], nil
}

// cutAttachments reads the number and the dash in front of a binary packet.
func cutAttachments(b []byte) (count int, rest []byte, err error) {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		count = count*10 + int(b[n]-'0')
		if n++; n > 3 {
			return 0, nil, fmt.Errorf("%w: too many", errAttachments)
		}
	}
	if n == 0 || n == len(b) || b[n] != '-' {
		return 0, nil, errAttachments
	}
	switch {
	case count == 0:
		return 0, nil, fmt.Errorf("%w: none", errAttachments)
	case count > maxAttachments:
		return 0, nil, fmt.Errorf("%w: too many", errAttachments)
	}
	return count, b[n+1:], nil
}

func (p *packet) setPayload(b []byte, args []json.RawMessage) (err error) {
	switch p.kind {
	case typeConnect:
		if len(b) > 0 {
			p.payload = b
			return rawjson.CheckObject(b)
		}
		return nil
	case typeDisconnect:
		if len(b) > 0 {
			return fmt.Errorf("%w: payload of a disconnect", errPacket)
		}
		return nil
	case typeConnectError:
		return fmt.Errorf("%w: a client sends no connect error", errPacket)
	}
	isAck := p.kind == typeAck || p.kind == typeBinaryAck
	if isAck && len(b) == 0 {
		return nil // an answer that says nothing
	}
	if p.args, err = rawjson.Split(b, args); err != nil {
		return err
	}
	if !isAck && len(p.args) == 0 {
		return fmt.Errorf("%w: event without a name", errPacket)
	}
	return nil
}

// eventName returns the name of an event. It must be a string that is not reserved, or a number, as in JavaScript.
//
// Rule: CVE-2022-2421 and the reference's list of reserved events.
func eventName(raw json.RawMessage) (string, error) {
	if len(raw) > maxEventBytes {
		return "", fmt.Errorf("event: %w", errTooLong)
	}
	switch {
	case raw[0] == '"':
	case rawjson.IsNumber(raw):
		return string(raw), nil
	default:
		return "", fmt.Errorf("%w: event name", errPacket)
	}
	name := string(rawjson.Unquote(raw))
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return "", fmt.Errorf("%w: %s", errReserved, name)
	}
	return name, nil
}
