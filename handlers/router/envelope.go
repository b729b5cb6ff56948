package router

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"signalbox/server/rawjson"
)

// This file writes what backends outside this process are told.

// Envelopes returns the object that brings envelopes to a backend.
func Envelopes(list ...[]byte) []byte {
	size := 16
	for _, e := range list {
		size += len(e) + 1
	}
	b := append(make([]byte, 0, size), `{"events":[`...)
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, "]}"...)
}

// AppendEnvelope appends the event as JSON.
func (e *Event) AppendEnvelope(b []byte) []byte {
	b = e.Socket.appendHead(b, "event", e.ID)
	b = strconv.AppendUint(append(b, `,"seq":`...), e.Seq, 10)
	b = append(append(b, `,"event":`...), e.RawName...)
	b = append(b, `,"args":[`...)
	for i, arg := range e.Args {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, arg...)
	}
	b = append(b, ']')
	for i, a := range e.Attachments {
		if i == 0 {
			b = append(b, `,"attachments":["`...)
		} else {
			b = append(b, `,"`...)
		}
		b = append(base64.StdEncoding.AppendEncode(b, a), '"')
	}
	if len(e.Attachments) > 0 {
		b = append(b, ']')
	}
	b = strconv.AppendBool(append(b, `,"ack":`...), e.Ack)
	if data := e.Socket.Data(); data != nil {
		b = append(append(b, `,"data":`...), data...)
	}
	return append(b, '}')
}

// appendHead appends the beginning of an envelope.
func (s *Socket) appendHead(b []byte, kind, id string) []byte {
	b = append(append(b, `{"type":"`...), kind...)
	b = rawjson.AppendString(append(b, `","id":`...), id)
	b = rawjson.AppendString(append(b, `,"ns":`...), s.Peer.Namespace())
	b = rawjson.AppendString(append(b, `,"socket":`...), s.Peer.ID())
	if user := s.User(); user != "" {
		b = rawjson.AppendString(append(b, `,"user":`...), user)
	}
	return b
}

// ConnectID and DisconnectID name what is told of a socket's coming and going.
func (s *Socket) ConnectID() string    { return "c." + s.Visit }
func (s *Socket) DisconnectID() string { return "d." + s.Visit }

// AppendEnvelope appends the question as JSON, with the headers that are named.
func (c *Connect) AppendEnvelope(b []byte, headers []string) []byte {
	b = c.Socket.appendHead(b, "connect", c.Socket.ConnectID())
	b = rawjson.AppendString(append(b, `,"ip":`...), c.Address)
	b = append(append(b, `,"auth":`...), c.Auth...)
	b = append(append(b, `,"query":`...), object(c.Query)...)
	sent := make(map[string]string)
	for _, name := range headers {
		if value := c.Headers(name); value != "" {
			sent[name] = value
		}
	}
	b = append(append(b, `,"headers":`...), object(sent)...)
	b = append(b, `,"rooms":[]`...)
	if c.Claims != nil {
		b = append(append(b, `,"claims":`...), c.Claims...)
	}
	return append(b, '}')
}

func object(m map[string]string) json.RawMessage {
	text, err := rawjson.Marshal(m)
	if err != nil {
		return json.RawMessage("{}") // no map of texts fails
	}
	return text
}

// AppendDisconnect appends what is told of a client that has left.
func (s *Socket) AppendDisconnect(b []byte, reason string) []byte {
	b = s.appendHead(b, "disconnect", s.DisconnectID())
	b = rawjson.AppendString(append(b, `,"reason":`...), reason)
	if data := s.Data(); data != nil {
		b = append(append(b, `,"data":`...), data...)
	}
	return append(b, '}')
}
