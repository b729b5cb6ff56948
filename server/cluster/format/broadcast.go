package format

import (
	"encoding/json"
	"time"

	"signalbox/server/rawjson"
)

// Packet is the content of an event, a request to servers or an answer.
type Packet struct {
	// Args are values in JSON. Of an event the first one is its name: a string, or a number as JavaScript allows.
	Args []json.RawMessage
	// Attachments are the binary values that {"_placeholder":true,"num":n} in Args refers to.
	Attachments [][]byte
}

// Event returns the event's name as text, unquoted; "" where Args has none.
func (p *Packet) Event() string {
	if len(p.Args) == 0 {
		return ""
	}
	name := rawjson.TrimSpace(p.Args[0])
	if !rawjson.IsString(name) {
		return string(name)
	}
	return string(rawjson.Unquote(name))
}

// Flags are the flags of a broadcast that have a meaning on other servers.
type Flags struct {
	// Volatile lets clients miss the event that are not ready for it.
	Volatile bool
	// Plain keeps the event from being compressed. It travels as compress: false.
	Plain bool
	// Timeout is how long the asking server waits for the clients' answers; whole milliseconds, 0: not said.
	Timeout time.Duration
	// Single says that one client is asked, and its answer is not wanted as one of many.
	Single bool
}

// Ext is what signalbox nodes tell each other with a broadcast. Node servers ignore it.
type Ext struct {
	// RoomKinds and ExceptKinds say what each room of Rooms and Except is, one letter for each: the sender's to choose.
	RoomKinds, ExceptKinds string
	// Text is the message for plain WebSocket clients, nil: none. It is UTF-8.
	Text []byte
	// SSE is the record for streams of Server-Sent Events, nil: none. It is UTF-8.
	SSE []byte
	// DeriveSSE says that the receiver makes the record for streams itself, the way the sender made its own.
	DeriveSSE bool
	// CountID asks the receiver to tell for how many members it queued the message, under this id; "": do not tell.
	CountID string
	// Node is the sending node, "" where that does not matter.
	Node string
	// MessageID is the id of a message that is also in a history, "" elsewhere.
	MessageID string
	// Foreign says that the message is for Node servers, and signalbox nodes have it already.
	Foreign bool
}

// Broadcast is an event for the clients of other servers.
type Broadcast struct {
	// UID is the sending adapter: 6 characters in classic mode, 16 hexadecimal digits in sharded mode.
	UID string
	// Namespace is the name of the namespace, with its leading slash.
	Namespace string
	// RequestID is what the clients' answers are sent under; "": no answers are wanted.
	RequestID string
	Packet
	// Rooms and Except are names of rooms, socket ids among them. Without Rooms it is everybody in Namespace.
	Rooms, Except []string
	Flags         Flags
	// Ext is nil where the message is not from a signalbox node, so each of those should set it.
	Ext *Ext
}

// Peeked is a broadcast whose event has not been decoded yet. Its event, Text and SSE alias the message it was read from,
// which must not change as long as they are used.
type Peeked struct {
	UID           string
	Namespace     string // "/" where the message does not say
	RequestID     string
	Rooms, Except []string // numbers have become text
	Flags         Flags
	Ext           *Ext

	packed bool   // data is msgpack
	one    bool   // data is one value, not an array; nil: none
	data   []byte // packet.data
	raw    []byte // the arguments' JSON, as the extension has it; nil: data gives it back
	extra  []byte // the attachments that go with raw; nil: those in data
}

// Broadcast decodes all of the message.
func (p *Peeked) Broadcast() (*Broadcast, error) {
	packet, err := p.Packet()
	if err != nil {
		return nil, err
	}
	return &Broadcast{
		UID: p.UID, Namespace: p.Namespace, RequestID: p.RequestID, Packet: packet,
		Rooms: p.Rooms, Except: p.Except, Flags: p.Flags, Ext: p.Ext,
	}, nil
}
