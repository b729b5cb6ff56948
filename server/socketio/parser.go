package socketio

import (
	"fmt"
	"log/slog"

	eio "github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"signalbox/server/wire"
)

// codec is the library's [parser.Parser]: packets that the library writes are encoded by us, and packets it has to see
// reach it decoded.
type codec struct{ log *slog.Logger }

func (c codec) NewEncoder() parser.Encoder { return encoder(c) }
func (c codec) NewDecoder() parser.Decoder { return new(decoder) }

// decoder hands packets on that [conn] has decoded: the library's own path from "data" to "decoded" stays in use.
type decoder struct{ listeners }

func (d *decoder) Add(data any) error {
	p, ok := data.(*parser.Packet)
	if !ok {
		return fmt.Errorf("%w: data of type %T", errPacket, data)
	}
	d.Emit("decoded", p)
	return nil
}

func (d *decoder) Destroy() {}

type encoder struct{ log *slog.Logger }

// Encode returns one buffer for a packet and its attachments, which [conn.Write] queues as one message. A packet that
// cannot be written is a mistake of the program that emits it: it is logged and not sent.
func (e encoder) Encode(p *parser.Packet) []eio.BufferInterface {
	m, err := encodePacket(p)
	if err != nil {
		e.log.Error("an emitted packet cannot be written", "namespace", p.Nsp, "type", p.Type.String(), "error", err)
		return nil
	}
	return []eio.BufferInterface{&encoded{BufferInterface: eio.NewStringBuffer(nil), message: m, packet: p}}
}

// encoded is an encoded packet on its way through the library's Client to [conn.Write].
type encoded struct {
	eio.BufferInterface
	message *wire.Message
	packet  *parser.Packet
}

// Clone returns e itself: nothing reads it up.
func (e *encoded) Clone() eio.BufferInterface { return e }
