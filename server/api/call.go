package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"signalbox/server/rawjson"
)

// calls are the paths behind the names by which programs that are connected call them. The member stands in the path, between
// before and after.
var calls = map[string]struct{ method, before, member, after string }{
	"emit":           {"POST", "emit", "", ""},
	"publish":        {"POST", "publish/", "channel", ""},
	"rooms":          {"GET", "rooms", "", ""},
	"users":          {"GET", "rooms/", "room", "/users"},
	"user":           {"GET", "users/", "id", ""},
	"disconnectUser": {"POST", "users/", "id", "/disconnect"},
}

// connected is set in the context of a call by a program that is connected: it has shown a key of its own.
type connected struct{}

// Call carries out a call by a program that is connected, and returns the body of the answer by HTTP. The argument is one JSON
// object: what stands in the path, and the members of the body or the query.
func (a *API) Call(ctx context.Context, name string, argument json.RawMessage) json.RawMessage {
	answer := &answerWriter{header: make(http.Header)}
	members, call := make(map[string]json.RawMessage), calls[name]
	if rawjson.CheckObject(argument) == nil {
		_ = json.Unmarshal(argument, &members) // it has just been checked
	}
	if name == "users" && members["room"] == nil {
		call = calls["user"]
	}
	path := Path + call.before
	if call.member != "" {
		path += url.PathEscape(takeText(members, call.member)) + call.after
	}
	key := takeText(members, "idempotencyKey")
	var body []byte
	switch {
	case call.method == "GET":
		query := make(url.Values)
		for member := range members {
			query.Set(member, takeText(members, member))
		}
		path += "?" + query.Encode()
	case name == "publish" && len(members) == 1:
		body = members["message"]
	default:
		body, _ = rawjson.Marshal(members) // of JSON: it cannot fail
	}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, connected{}, true), call.method, path, bytes.NewReader(body))
	if err != nil {
		return json.RawMessage(`{"error":{"code":"invalid_request","message":"there is no such call"}}`)
	}
	if key != "" {
		req.Header[idempotencyHeader] = []string{key}
	}
	a.router.ServeHTTP(answer, req)
	return answer.Bytes()
}

// takeText takes a member out: its text, or what stands there.
func takeText(members map[string]json.RawMessage, name string) string {
	value := members[name]
	delete(members, name)
	if text, ok := rawjson.Text(value); ok {
		return text
	}
	return string(value)
}

// answerWriter keeps the body of an answer.
type answerWriter struct {
	bytes.Buffer
	header http.Header
}

func (w *answerWriter) Header() http.Header { return w.header }
func (w *answerWriter) WriteHeader(int)     {}
