package app

import (
	"encoding/json"

	"signalbox/server/hub"
)

// Asker is a [Peer] whose client may be asked to answer events, with a [Session] that is an [AnswerListener].
type Asker interface {
	Peer
	// Ask sends an event that the client is asked to answer under a number. It never blocks, and reports whether the event
	// was queued.
	Ask(id uint64, msg *hub.Message) bool
	// Trust ends the limit on what the client sends, at all its namespaces. It is called while Connect lets it in.
	Trust()
}

// AnswerListener is a [Session] that hears its client's answers.
type AnswerListener interface {
	Session
	// Answered is called with the number of an event that the client was asked to answer, as the client sends it, on the
	// goroutine that reads. The slices are valid until it returns.
	Answered(id uint64, args []json.RawMessage, attachments [][]byte)
}
