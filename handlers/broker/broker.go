package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// MaxIDBytes is how long the JSON of a senderUserId may be in a join. It is kept as long as the socket lives.
const MaxIDBytes = 4096

// idBufferBytes is the length up to which an id's text is made on the stack, and remembered as the last recipient.
const idBufferBytes = 64

// address is what the broker reads of an event's data, as raw JSON; nil where there is none.
type address struct {
	recipient, sender []byte
}

// addressOf reads the address of e: own members of its first argument. The last of equal keys counts, as in JavaScript.
func addressOf(e *app.Event) address {
	if len(e.Args) == 0 {
		return address{}
	}
	var a address
	binary := false
	walk := rawjson.Checked(e.Args[0])
	for key, value, ok := walk.Next(); ok; key, value, ok = walk.Next() {
		switch string(key) {
		case "recipientUserId":
			a.recipient = value
		case "senderUserId":
			a.sender = value
		case "_placeholder":
			binary = len(e.Attachments) > 0 && string(value) == "true"
		}
	}
	if binary {
		return address{} // the argument is an attachment: bytes have no members
	}
	return a
}

// join makes the socket a socket of the user in senderUserId, beside those it joined as before. It relays nothing.
func (s *session) join(e *app.Event) {
	s.logEvent(e)
	app.Charge(s.peer, app.WeightCostly)
	sender := addressOf(e).sender
	if sender == nil {
		reason := ReasonNoSender
		if noData(e) {
			reason = ReasonNoData
		}
		s.refuse(e, reason)
		return
	}
	if len(sender) > MaxIDBytes {
		s.refuse(e, ReasonIDTooLong)
		return
	}
	id := string(rawjson.AppendText(nil, sender))
	if !s.may([]byte(id)) {
		s.refuse(e, ReasonNotOneself)
		return
	}
	room := hub.Room{Kind: hub.KindUser, Name: id}
	if !s.broker.hub.Join(s.peer.Member(), room) && !s.broker.hub.Contains(s.peer.Member(), room) {
		s.refuse(e, ReasonTooManyRooms)
		return
	}
	s.joined = append(s.joined[:0], sender...)
	s.broker.stats.Joins.Add(1)
	if s.broker.hub.Heard(room) {
		s.answers.send(e.Ack, message.OK)
	} else {
		s.answers.send(e.Ack, message.Partial)
	}
}

// time tells the sender, and nobody else, what time the server has and which id it joined as last.
func (s *session) time(e *app.Event) {
	s.logEvent(e)
	data := make([]byte, 0, len(s.joined)+len(`{"recipientUserId":,"time":1700000000000}`))
	data = append(data, '{')
	if s.joined != nil {
		data = append(data, `"recipientUserId":`...)
		data = append(data, s.joined...)
		data = append(data, ',')
	}
	data = append(data, `"time":`...)
	data = strconv.AppendInt(data, time.Now().UnixMilli(), 10)
	data = append(data, '}')
	// The error says that the client has gone; there is nobody to tell.
	_ = s.peer.Emit("time", json.RawMessage(data))
	s.broker.stats.Times.Add(1)
	s.answers.send(e.Ack, message.OK)
}

// relay sends the first argument of e on to every socket of the user it is addressed to, byte for byte.
func (s *session) relay(e *app.Event, a address) {
	s.logEvent(e)
	switch {
	case e.Name == "error":
		// JavaScript emitters throw on an error event that nobody listens for, CVE-2024-38355.
		s.refuse(e, ReasonReservedEvent)
		return
	case noData(e):
		s.refuse(e, ReasonNoData)
		return
	case a.recipient == nil:
		s.refuse(e, ReasonNoRecipient)
		return
	}
	var buf [idBufferBytes]byte
	if a.sender != nil && s.userID != "" && !s.may(rawjson.AppendText(buf[:0], a.sender)) {
		s.refuse(e, ReasonNotOneself)
		return
	}
	msg := &hub.Message{Namespace: message.RootNamespace, Event: e.Name, RawEvent: e.RawName}
	msg.Args, msg.Attachments = e.FirstArgument()
	s.broker.stats.Relayed.Add(1)
	room := s.room(rawjson.AppendText(buf[:0], a.recipient))
	if !e.Ack.Wanted() {
		s.broker.stats.Delivered.Add(uint64(s.broker.hub.Send(room, msg)))
		return
	}
	answer := s.answers.expect(e.Ack) // e is not ours any more where other nodes have to be asked
	s.broker.hub.SendCounted(room, msg, func(delivered int, complete bool) {
		s.broker.stats.Delivered.Add(uint64(delivered))
		s.answers.settle(answer, deliveredTo(delivered, msg.Held(), complete))
	})
}

// deliveredTo is the answer to an event that was queued for so many sockets, and is held for so many that are away. Without complete there may be more: a node of
// the cluster did not tell.
func deliveredTo(delivered, held int, complete bool) json.RawMessage {
	text := make([]byte, 0, len(`{"ok":true,"delivered":1234567890,"partial":true}`))
	text = append(text, `{"ok":true,"delivered":`...)
	text = strconv.AppendInt(text, int64(delivered), 10)
	if held > 0 {
		text = strconv.AppendInt(append(text, `,"held":`...), int64(held), 10)
	}
	if !complete {
		text = append(text, `,"partial":true`...)
	}
	return append(text, '}')
}

// room returns the address of a user.
func (s *session) room(id []byte) hub.Room {
	if string(id) != s.recipient {
		name := string(id)
		if len(name) > idBufferBytes {
			return hub.Room{Kind: hub.KindUser, Name: name} // too long to keep
		}
		s.recipient = name
	}
	return hub.Room{Kind: hub.KindUser, Name: s.recipient}
}

// refuse counts an event that delivers nothing and says why.
func (s *session) refuse(e *app.Event, reason Reason) {
	s.broker.stats.Undeliverable[reason].Add(1)
	if e.Ack.Wanted() {
		s.answers.send(e.Ack, json.RawMessage(`{"ok":false,"error":"`+reason.String()+`"}`))
	}
	if s.broker.log.Enabled(context.Background(), slog.LevelDebug) {
		s.broker.log.LogAttrs(context.Background(), slog.LevelDebug, "event not delivered",
			slog.String("sid", s.peer.ID()),
			slog.String("event", clip([]byte(e.Name))),
			slog.String("reason", reason.String()))
	}
}

// logEvent writes the debug line of one event: its name and who sent it. What users say to each other is in no log.
func (s *session) logEvent(e *app.Event) {
	if !s.broker.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	from := "undefined"
	if sender := addressOf(e).sender; sender != nil {
		from = clip(rawjson.AppendText(nil, sender))
	}
	s.broker.log.LogAttrs(context.Background(), slog.LevelDebug, "event received",
		slog.String("sid", s.peer.ID()),
		slog.String("event", clip([]byte(e.Name))),
		slog.String("sender", from))
}

// noData reports whether the first argument of e is missing or null.
func noData(e *app.Event) bool {
	return len(e.Args) == 0 || string(bytes.TrimSpace(e.Args[0])) == "null"
}

// clip returns the first 64 characters of text, and "..." where it is that long or longer. Characters are counted as
// JavaScript does, in UTF-16 code units, but none is cut in half.
func clip(text []byte) string {
	const limit = 64
	units := 0
	for i, r := range string(text[:min(len(text), 4*limit)]) {
		width := 1
		if r > 0xFFFF {
			width = 2
		}
		if units+width > limit {
			return string(text[:i]) + "..."
		}
		units += width
	}
	if units == limit {
		return string(text) + "..."
	}
	return string(text)
}
