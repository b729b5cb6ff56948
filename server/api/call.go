package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"signalbox/server/rawjson"
)

// Call carries out a call for a program that is connected, and returns the body that the answer by HTTP has, without a request id
// where it is a fault. name is publish, emit, rooms, users or disconnectUser; argument is one JSON object.
func (a *API) Call(ctx context.Context, name string, argument json.RawMessage) json.RawMessage {
	answer, err := a.call(ctx, name, argument)
	if err == nil {
		body, ok := answer.(json.RawMessage)
		if !ok {
			body, err = rawjson.Marshal(answer)
		}
		if err == nil {
			return body
		}
	}
	var f *fault
	if !errors.As(err, &f) {
		a.cfg.Log.Error("a call of the API by a worker failed", "call", name, "error", err)
		f = faultf(CodeInternal, "the server failed; its log says how")
	}
	return a.faultBody(f, "")
}

// call finds the function of a call. What stands in the path by HTTP is a member of its argument, and so is the key.
func (a *API) call(ctx context.Context, name string, argument json.RawMessage) (any, error) {
	if int64(len(argument)) > a.cfg.MaxBodyBytes {
		return nil, a.tooLarge()
	}
	if argument == nil {
		argument = json.RawMessage("{}")
	}
	if err := checkJSON(argument); err != nil {
		return nil, err
	}
	rest, taken, err := take(argument, "idempotencyKey", pathMember[name])
	if err != nil {
		return nil, err
	}
	key, inPath := taken[0], taken[1]
	run := func(ctx context.Context) (any, error) { return a.run(ctx, name, inPath, rest) }
	if key == nil || name == "rooms" || name == "users" {
		return run(ctx)
	}
	return a.once(ctx, *key, name+" "+text(inPath), rest, run)
}

// pathMember is the member of a call's argument that stands in the path by HTTP.
var pathMember = map[string]string{"publish": "channel", "users": "room", "disconnectUser": "id"}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *API) run(ctx context.Context, name string, inPath *string, rest json.RawMessage) (any, error) {
	if member := pathMember[name]; member != "" && name != "users" && text(inPath) == "" {
		return nil, faultf(CodeInvalidRequest, "%s is missing", member)
	}
	switch name {
	case "publish":
		message, err := only(rest, "message")
		if err != nil {
			return nil, err
		}
		return a.publish(ctx, *inPath, message)
	case "emit":
		return a.emit(ctx, rest)
	case "disconnectUser":
		return a.disconnect(ctx, *inPath, rest)
	}
	q, err := queryIn(rest)
	if err != nil {
		return nil, err
	}
	switch {
	case name == "rooms":
		return a.listRooms(ctx, q)
	case inPath != nil:
		return a.roomUsers(ctx, *inPath, q)
	}
	id := q.get("id")
	delete(q, "id")
	if id == "" {
		return nil, faultf(CodeInvalidRequest, "name a room, or the id of a user")
	}
	return a.user(ctx, id, q)
}

// take takes two text members out of an object; nil where there is none.
func take(argument json.RawMessage, names ...string) (rest json.RawMessage, taken [2]*string, err error) {
	rest = json.RawMessage{'{'}
	m := rawjson.Object(argument)
	for {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		found := false
		for i, name := range names {
			if name == "" || string(key) != name {
				continue
			}
			value, ok := rawjson.Text(value)
			if !ok {
				return nil, taken, faultf(CodeInvalidRequest, "%s must be text", name)
			}
			taken[i], found = &value, true
		}
		if !found {
			if len(rest) > 1 {
				rest = append(rest, ',')
			}
			rest = append(append(rawjson.AppendQuoted(rest, key), ':'), value...)
		}
	}
	if m.Err() != nil {
		return nil, taken, faultf(CodeInvalidJSON, "the argument must be a JSON object")
	}
	return append(rest, '}'), taken, nil
}

// only returns the one member that an object has to have.
func only(object json.RawMessage, name string) (value json.RawMessage, err error) {
	if err := decode(object, member{name, &value, "JSON"}); err != nil {
		return nil, err
	}
	if value == nil {
		return nil, faultf(CodeInvalidRequest, "%s is missing", name)
	}
	return value, nil
}

// queryIn reads the members of an object as a query has them: texts and numbers.
func queryIn(object json.RawMessage) (query, error) {
	q := make(url.Values)
	m := rawjson.Object(object)
	for {
		key, value, ok := m.Next()
		if !ok {
			return query(q), nil
		}
		text, ok := rawjson.Text(value)
		if !ok {
			if !rawjson.IsNumber(value) {
				return nil, faultf(CodeInvalidRequest, "%s must be text or a number", clip(string(key)))
			}
			text = string(value)
		}
		q.Add(string(key), text)
	}
}
