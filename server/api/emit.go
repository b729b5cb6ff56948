package api

import (
	"context"
	"encoding/json"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

const (
	// defaultAckTimeout is how long answers are waited for where the call does not say.
	defaultAckTimeout = 5 * time.Second
	// maxAckTimeout is the longest a call may ask for. Proxies give up earlier: Heroku's after 30 s.
	maxAckTimeout = time.Minute
)

// emission is the body of POST /api/emit.
type emission struct {
	audience
	event     json.RawMessage
	args      []json.RawMessage
	ack       bool
	timeoutMs *int
}

// emit serves POST /api/emit: an event goes to Socket.IO clients, whose answers are collected where the call wants them.
func (a *API) emit(ctx context.Context, body []byte) (any, error) {
	e, err := parseEmission(body)
	if err != nil {
		return nil, err
	}
	msg, err := e.message()
	if err != nil {
		return nil, err
	}
	timeout, err := e.timeout()
	if err != nil {
		return nil, err
	}
	switch {
	case e.nobody() && e.ack:
		return new(answers).reply(0, true), nil
	case e.nobody():
		return okDelivered(0, 0, true), nil
	case e.ack:
		return a.ask(ctx, e.selection(), msg, timeout), nil
	default:
		delivered, complete := a.cfg.Emitter.Emit(ctx, e.selection(), msg)
		return okDelivered(delivered, msg.Held(), complete), nil
	}
}

func parseEmission(body []byte) (*emission, error) {
	e := &emission{audience: audience{namespace: "/"}}
	err := decode(body,
		member{"namespace", &e.namespace, "text, like /chat"},
		member{"users", &e.users, "a list of users"},
		member{"rooms", &e.rooms, "a list of rooms"},
		member{"except", &e.except, "a list of names, or an object with users, rooms and sockets"},
		member{"event", &e.event, "text"},
		member{"args", &e.args, "a list of what the event carries"},
		member{"ack", &e.ack, "true or false"},
		member{"timeoutMs", &e.timeoutMs, "a whole number of milliseconds"})
	if err != nil {
		return nil, err
	}
	return e, e.check()
}

// message returns the event as the hub takes it. Name and arguments go out byte for byte.
func (e *emission) message() (*hub.Message, error) {
	var name string
	switch {
	case e.event == nil:
		return nil, faultf(CodeInvalidRequest, "event is missing: it names what clients listen to")
	case json.Unmarshal(e.event, &name) != nil || e.event[0] != '"' || name == "":
		return nil, faultf(CodeInvalidRequest, "event must be text that is not empty")
	case app.IsReserved(name):
		return nil, faultf(CodeInvalidRequest, "%q is an event that clients keep for themselves", name)
	}
	return &hub.Message{Namespace: e.namespace, Event: name, RawEvent: e.event, Args: e.args}, nil
}

func (e *emission) timeout() (time.Duration, error) {
	switch {
	case e.timeoutMs == nil:
		return defaultAckTimeout, nil
	case !e.ack:
		return 0, faultf(CodeInvalidRequest, "timeoutMs is how long to wait for answers: it needs ack to be true")
	case *e.timeoutMs < 1 || *e.timeoutMs > int(maxAckTimeout/time.Millisecond):
		return 0, faultf(CodeInvalidRequest, "timeoutMs must be 1 to %d", maxAckTimeout/time.Millisecond)
	}
	return time.Duration(*e.timeoutMs) * time.Millisecond, nil
}
