package eio3

import (
	"bytes"
	"strconv"

	"signalbox/server/rawjson"
)

// This file is what Socket.IO is over Engine.IO 3.

// SocketID returns the id of a client in a namespace: it makes the same up from its session's id.
func SocketID(namespace, session string) string {
	if namespace == "/" {
		return session
	}
	return namespace + "#" + session
}

// CutQuery takes the query out of a Socket.IO packet: it is behind the name of a namespace, as in 0/chat?token=a.
func CutQuery(packet []byte) (bare, query []byte) {
	start := bytes.IndexByte(packet, '/')
	if start < 1 || bytes.ContainsAny(packet[:start], "[{\"") { // there is no namespace before the payload
		return packet, nil
	}
	end := bytes.IndexByte(packet, ',')
	if end < 0 {
		end = len(packet)
	}
	if end < start {
		return packet, nil
	}
	mark := bytes.IndexByte(packet[start:end], '?')
	if mark < 0 {
		return packet, nil
	}
	mark += start
	return append(bytes.Clone(packet[:mark]), packet[end:]...), packet[mark+1 : end]
}

const (
	// maxQueryBytes and maxParameters are what a handshake may have.
	maxQueryBytes = 16 << 10
	maxParameters = 100
)

// Auth returns what the query of a namespace says as the payload of a CONNECT, nil where it says nothing. Of several of a name
// the last counts. ok is false for more than one may say.
//
// Rule: the parser of application/x-www-form-urlencoded in https://url.spec.whatwg.org, which takes everything.
func Auth(query []byte) (payload []byte, ok bool) {
	if len(query) > maxQueryBytes || bytes.Count(query, []byte{'&'}) >= maxParameters {
		return nil, false
	}
	values := make(map[string]string)
	var names []string
	for parameter := range bytes.SplitSeq(query, []byte{'&'}) {
		if len(parameter) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(parameter, []byte{'='})
		key := unescape(name)
		if _, there := values[key]; !there {
			names = append(names, key)
		}
		values[key] = unescape(value)
	}
	for i, name := range names {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		payload = rawjson.AppendString(append(payload, before), name)
		payload = rawjson.AppendString(append(payload, ':'), values[name])
	}
	if payload == nil {
		return nil, true
	}
	return append(payload, '}'), true
}

func unescape(text []byte) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(text) {
			if code, err := strconv.ParseUint(string(text[i+1:i+3]), 16, 8); err == nil {
				c, i = byte(code), i+2
			}
		}
		out = append(out, c)
	}
	return string(out)
}

// RootAuth returns the payload of the CONNECT to / that such a client does not send: the token in the query of its handshake.
func RootAuth(tokens []string) []byte {
	if len(tokens) != 1 {
		return nil
	}
	return append(rawjson.AppendString([]byte(`{"token":`), tokens[0]), '}')
}

// AppendError appends what a client is told that is refused: the data of the error, raw JSON, where JavaScript takes it for
// true, else its message.
//
// Rule: as the reference implementation does, a namespace that is not there has its message in an object.
func AppendError(b []byte, message string, data []byte) []byte {
	switch {
	case len(data) > 0 && isTrue(data):
		return append(b, data...)
	case message == "Invalid namespace":
		return append(rawjson.AppendString(append(b, `{"message":`...), message), '}')
	default:
		return rawjson.AppendString(b, message)
	}
}

func isTrue(data []byte) bool {
	switch string(data) {
	case "null", "false", `""`:
		return false
	}
	if !rawjson.IsNumber(data) {
		return true
	}
	f, err := strconv.ParseFloat(string(data), 64)
	return err != nil || f != 0
}
