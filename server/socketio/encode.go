package socketio

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/wire"
)

// messagePacket is the Engine.IO packet type of everything Socket.IO sends as text.
const messagePacket = '4'

// appendHead writes a packet's start: Engine.IO type, Socket.IO type, attachments, namespace, id.
func appendHead(b []byte, kind packetType, attachments int, namespace, id string) []byte {
	if attachments > 0 {
		kind = binaryKind(kind)
	}
	b = append(b, messagePacket, byte(kind))
	if attachments > 0 {
		b = strconv.AppendInt(b, int64(attachments), 10)
		b = append(b, '-')
	}
	if namespace != "/" {
		b = append(b, namespace...)
		b = append(b, ',')
	}
	return append(b, id...)
}

func binaryKind(kind packetType) packetType {
	switch kind {
	case typeEvent:
		return typeBinaryEvent
	case typeAck:
		return typeBinaryAck
	default:
		return kind
	}
}

// plainKind takes binaryKind back.
func plainKind(kind packetType) packetType {
	switch kind {
	case typeBinaryEvent:
		return typeEvent
	case typeBinaryAck:
		return typeAck
	default:
		return kind
	}
}

// encodeMessage writes a hub message down as an EVENT packet. It is the hub's encoder of FormSocketIO.
func encodeMessage(m *hub.Message) *wire.Message { return EncodeEvent(m, "") }

// EncodeEvent writes a hub message down as an EVENT packet that asks for an answer to id; "": it asks for none.
func EncodeEvent(m *hub.Message, id string) *wire.Message {
	if m.Event == "" && m.RawEvent == nil {
		return nil
	}
	w := eventBuilder(m, id)
	w.Buf = append(w.Buf, ']')
	return w.Message(m.Attachments...)
}

// eventBuilder writes an EVENT packet but for its closing bracket.
func eventBuilder(m *hub.Message, id string) wire.Builder {
	size := len(m.Event) + len(m.RawEvent) + len(m.Namespace) + 32
	for _, a := range m.Args {
		size += len(a) + 1
	}
	w := wire.NewBuilder(size)
	w.Buf = appendHead(w.Buf, typeEvent, len(m.Attachments), m.Namespace, id)
	w.Buf = append(w.Buf, '[')
	if m.RawEvent != nil {
		w.Buf = append(w.Buf, m.RawEvent...)
	} else {
		w.Buf = rawjson.AppendString(w.Buf, m.Event)
	}
	for _, a := range m.Args {
		w.Buf = append(w.Buf, ',')
		w.Buf = append(w.Buf, a...)
	}
	return w
}

// marshal writes v as JSON; what is JSON already goes out byte for byte.
func marshal(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok && raw != nil {
		return raw, nil
	}
	return rawjson.Marshal(v)
}

// MarshalArgs writes the arguments of an event or an ack down, and takes binary values out as attachments.
func MarshalArgs(args []any) (raw []json.RawMessage, attachments [][]byte, err error) {
	if len(args) == 0 {
		return nil, nil, nil
	}
	raw = make([]json.RawMessage, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case json.RawMessage:
		case app.Raw:
			arg = renumber(v.JSON, len(attachments))
			attachments = append(attachments, v.Attachments...)
		default:
			if arg, err = extract(arg, &attachments); err != nil {
				return nil, nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		}
		if raw[i], err = marshal(arg); err != nil {
			return nil, nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return raw, attachments, nil
}

// renumber returns raw with placeholders for attachments that come behind so many others.
func renumber(raw json.RawMessage, others int) json.RawMessage {
	if others == 0 {
		return raw
	}
	var out json.RawMessage
	end := 0
	for _, p := range rawjson.Placeholders(nil, raw) {
		out = rawjson.AppendPlaceholder(append(out, raw[end:p.Start]...), p.Num+others)
		end = p.End
	}
	return append(out, raw[end:]...)
}

// placeholder stands in the JSON where an attachment was.
type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

// extract returns v with its binary values replaced by placeholders. It looks into []any and map[string]any; other
// types are left to encoding/json.
func extract(v any, attachments *[][]byte) (any, error) {
	add := func(data []byte) any {
		*attachments = append(*attachments, data)
		return placeholder{Placeholder: true, Num: len(*attachments) - 1}
	}
	switch v := v.(type) {
	case []byte:
		return add(v), nil
	case *strings.Reader:
		data, err := io.ReadAll(v)
		return string(data), err
	case io.Reader:
		data, err := io.ReadAll(v)
		if err != nil {
			return nil, err
		}
		return add(data), nil
	case []any:
		if !hasBinary(v) {
			return v, nil
		}
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = extract(v[i], attachments); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if !hasBinary(v) {
			return v, nil
		}
		out := make(map[string]any, len(v))
		for k := range v {
			var err error
			if out[k], err = extract(v[k], attachments); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

func hasBinary(v any) bool {
	switch v := v.(type) {
	case []byte, io.Reader:
		return true
	case []any:
		for _, e := range v {
			if hasBinary(e) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if hasBinary(e) {
				return true
			}
		}
	}
	return false
}

// EncodeAck writes an ACK packet.
func EncodeAck(namespace, id string, args []any) (*wire.Message, error) {
	if len(args) == 1 {
		if raw, ok := args[0].(json.RawMessage); ok { // the answers that are ready made
			w := wire.NewBuilder(len(raw) + len(namespace) + len(id) + 8)
			w.Buf = appendHead(w.Buf, typeAck, 0, namespace, id)
			w.Buf = append(w.Buf, '[')
			w.Buf = append(w.Buf, raw...)
			w.Buf = append(w.Buf, ']')
			return w.Message(), nil
		}
	}
	raw, attachments, err := MarshalArgs(args)
	if err != nil {
		return nil, err
	}
	w := wire.NewBuilder(64)
	w.Buf = appendHead(w.Buf, typeAck, len(attachments), namespace, id)
	w.Buf = appendArray(w.Buf, raw)
	return w.Message(attachments...), nil
}

func appendArray(b []byte, elements []json.RawMessage) []byte {
	b = append(b, '[')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']')
}

// EventMessage returns the hub's form of an event that a program emits: its name first, then the arguments.
func EventMessage(namespace string, args []any) (*hub.Message, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("%w: event without a name", errPacket)
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("%w: event name of type %T", errPacket, args[0])
	}
	raw, attachments, err := MarshalArgs(args[1:])
	if err != nil {
		return nil, err
	}
	m := &hub.Message{Namespace: namespace, Event: name, Args: raw, Attachments: attachments}
	if name == "" {
		m.RawEvent = json.RawMessage(`""`)
	}
	return m, nil
}

// connectPacket tells a client that it is connected, as whom, and with which id it may come back; "": with none.
func connectPacket(namespace, sid, pid string) *wire.Message {
	w := wire.NewBuilder(64)
	w.Buf = appendHead(w.Buf, typeConnect, 0, namespace, "")
	w.Buf = append(w.Buf, `{"sid":"`...)
	w.Buf = append(w.Buf, sid...)
	if pid != "" {
		w.Buf = append(w.Buf, `","pid":"`...)
		w.Buf = append(w.Buf, pid...)
	}
	w.Buf = append(w.Buf, `"}`...)
	return w.Message()
}

// connectError encodes a refusal. data is left out where it is nil.
func connectError(namespace, message string, data any) (*wire.Message, error) {
	w := wire.NewBuilder(64)
	w.Buf = appendHead(w.Buf, typeConnectError, 0, namespace, "")
	w.Buf = append(w.Buf, '{')
	if raw, err := marshal(data); err != nil {
		return nil, err
	} else if string(raw) != "null" {
		w.Buf = append(w.Buf, `"data":`...)
		w.Buf = append(w.Buf, raw...)
		w.Buf = append(w.Buf, ',')
	}
	w.Buf = append(w.Buf, `"message":`...)
	w.Buf = rawjson.AppendString(w.Buf, message)
	w.Buf = append(w.Buf, '}')
	return w.Message(), nil
}

func disconnectPacket(namespace string) *wire.Message {
	w := wire.NewBuilder(32)
	w.Buf = appendHead(w.Buf, typeDisconnect, 0, namespace, "")
	return w.Message()
}
