package app

import (
	"encoding/json"

	"signalbox/server/rawjson"
	"signalbox/server/trace"
)

// Event is one event as a client sent it. It and its slices are valid until the handler returns: they alias the buffer
// that was read into. What outlives the handler has to be copied; an [Acker] may be kept as it is.
type Event struct {
	Name string
	// RawName is the name as JSON, as it came: a message that relays the event carries it on without writing it again.
	RawName json.RawMessage
	// Args are the arguments, each one valid JSON, without the callback.
	Args []json.RawMessage
	// Attachments are the binary attachments that placeholders in Args refer to.
	Attachments [][]byte
	// Ack answers the client's callback. Its zero value means the client passed none.
	Ack Acker
	// Span is of the event's trace, and ends when the handler returns; nil: it has none. A handler that goes on with the event
	// after that sets it to nil and ends it.
	Span *trace.Span
}

// Argument returns the first argument, nil without one.
func (e *Event) Argument() json.RawMessage {
	if len(e.Args) == 0 {
		return nil
	}
	return e.Args[0]
}

// FirstArgument returns the first argument alone, as the arguments of a new message, and the attachments it refers to.
// Without an argument both are nil. The result aliases e.
//
// Placeholders keep their numbers, so what is relayed stays byte for byte. A client numbers attachments in the order of
// its arguments, so those of the first are the first ones, and the others are left out.
func (e *Event) FirstArgument() ([]json.RawMessage, [][]byte) {
	if len(e.Args) == 0 {
		return nil, nil
	}
	attachments := e.Attachments
	if len(e.Args) > 1 && len(attachments) > 0 {
		needed := 0
		for _, p := range rawjson.Placeholders(nil, e.Args[0]) {
			needed = max(needed, p.Num+1)
		}
		attachments = attachments[:min(needed, len(attachments))]
	}
	return e.Args[:1:1], attachments
}

// Acker answers one callback of a client. It may be used from any goroutine, and after the client has gone.
type Acker struct {
	answerer Answerer
	id       string
}

// Answerer is the door's side of a callback: it sends the answer to the id that the client gave. Only the first answer
// to an id counts.
type Answerer interface {
	Answer(id string, args ...any)
}

// NewAcker returns what answers the callback id through a.
func NewAcker(a Answerer, id string) Acker { return Acker{answerer: a, id: id} }

// Wanted reports whether the client passed a callback.
func (a Acker) Wanted() bool { return a.answerer != nil }

// Send calls the client's callback with args, which are written as [Peer.Emit] does. It is called at most once per
// event; without a callback it does nothing.
func (a Acker) Send(args ...any) {
	if a.answerer != nil {
		a.answerer.Answer(a.id, args...)
	}
}
