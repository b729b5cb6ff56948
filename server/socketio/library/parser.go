package library

import (
	"fmt"
	"log/slog"
	"reflect"
	"strconv"

	eio "github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"signalbox/server/socketio"
	"signalbox/server/wire"
)

// codec is the library's [parser.Parser]: packets that the library writes are encoded by us, and those it has to see
// reach it decoded.
type codec struct{ log *slog.Logger }

func (c codec) NewEncoder() parser.Encoder { return encoder(c) }
func (c codec) NewDecoder() parser.Decoder { return new(decoder) }

// decoder hands packets on that are decoded: the library's own path from "data" to "decoded" stays in use.
type decoder struct{ listeners }

func (d *decoder) Add(data any) error {
	p, ok := data.(*parser.Packet)
	if !ok {
		return fmt.Errorf("data of type %T is no packet", data)
	}
	d.Emit("decoded", p)
	return nil
}

func (d *decoder) Destroy() {}

type encoder struct{ log *slog.Logger }

// Encode returns one buffer for a packet and its attachments, which [clientConn.Write] queues as one message. A packet
// that cannot be written is a mistake of the program that emits it: it is logged and not sent.
func (e encoder) Encode(p *parser.Packet) []eio.BufferInterface {
	m, err := encode(p)
	if err != nil {
		e.log.Error("an emitted packet cannot be written", "namespace", p.Nsp, "type", p.Type.String(), "error", err)
		return nil
	}
	return []eio.BufferInterface{&encoded{BufferInterface: eio.NewStringBuffer(nil), message: m, packet: p}}
}

// encode writes an event or an answer down; the other packets are written by package socketio.
func encode(p *parser.Packet) (*wire.Message, error) {
	args, ok := p.Data.([]any)
	id := ""
	if p.Id != nil {
		id = strconv.FormatUint(*p.Id, 10)
	}
	switch p.Type {
	case parser.EVENT, parser.BINARY_EVENT:
		if !ok {
			return nil, fmt.Errorf("data of type %T is no event", p.Data)
		}
		m, err := socketio.EventMessage(p.Nsp, plainAll(args))
		if err != nil {
			return nil, err
		}
		return socketio.EncodeEvent(m, id), nil
	case parser.ACK, parser.BINARY_ACK:
		return socketio.EncodeAck(p.Nsp, id, plainAll(args))
	default:
		return nil, nil
	}
}

// refusal returns message and data of a connect error, nil for data that is not there.
func refusal(packet any) (message string, data any) {
	m, _ := packet.(map[string]any)
	message, _ = m["message"].(string)
	if isNil(m["data"]) {
		return message, nil
	}
	return message, m["data"]
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return rv.IsNil()
	default:
		return false
	}
}

// encoded is an encoded packet on its way through the library's Client to [clientConn.Write].
type encoded struct {
	eio.BufferInterface
	message *wire.Message
	packet  *parser.Packet
}

// Clone returns e itself: nothing reads it up.
func (e *encoded) Clone() eio.BufferInterface { return e }
