package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"signalbox/server/app"
	"signalbox/server/rawjson"
)

// This file reads what backends outside this process answer. What is not as it has to be is an error, and nothing of it is
// carried out.

// MaxDataBytes bounds what a backend may keep with a socket.
const MaxDataBytes = 16 << 10

// maxNames bounds the rooms and users of one result.
const maxNames = 10_000

// names are rooms or users; a number is taken for its text.
type names []string

// UnmarshalJSON implements [json.Unmarshaler].
func (n *names) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	list := make(names, len(raw))
	for i, r := range raw {
		var err error
		if list[i], err = name(r); err != nil {
			return err
		}
	}
	*n = list
	return nil
}

func name(raw json.RawMessage) (string, error) {
	if text, ok := rawjson.Text(raw); ok {
		return text, nil
	}
	if rawjson.IsNumber(raw) {
		return rawjson.NumberText(raw)
	}
	return "", errors.New("a name is neither text nor a number")
}

type wireEmission struct {
	To          json.RawMessage   `json:"to"`
	Users       *names            `json:"users"`
	Except      names             `json:"except"`
	Event       string            `json:"event"`
	Args        []json.RawMessage `json:"args"`
	Attachments [][]byte          `json:"attachments"`
}

func (w *wireEmission) emission() (Emission, error) {
	e := Emission{Except: w.Except, Event: w.Event, Args: w.Args, Attachments: w.Attachments}
	if w.Event == "" || app.IsReserved(w.Event) {
		return e, fmt.Errorf("emit: an event cannot be called %q", w.Event)
	}
	switch to := strings.TrimSpace(string(w.To)); {
	case to == `"*"`:
		e.Everybody = true
	case to == "" || to == "null":
		e.Self = w.Users == nil
	case to[0] == '"':
		room, err := name(w.To)
		if err != nil {
			return e, err
		}
		e.Rooms = []string{room}
	default:
		if err := json.Unmarshal(w.To, (*names)(&e.Rooms)); err != nil {
			return e, fmt.Errorf("emit: to is neither a list of rooms nor \"*\": %w", err)
		}
	}
	if w.Users != nil {
		e.Users = *w.Users
	}
	if len(e.Rooms)+len(e.Users)+len(e.Except) > maxNames {
		return e, errors.New("emit: too many names")
	}
	return e, checkArgs(e.Args, e.Attachments)
}

// checkArgs reports whether arguments can be sent: every attachment is there that they speak of.
func checkArgs(args []json.RawMessage, attachments [][]byte) error {
	var found []rawjson.Placeholder
	for _, arg := range args {
		if err := rawjson.Check(arg); err != nil {
			return err
		}
		found = rawjson.Placeholders(found[:0], arg)
		for _, p := range found {
			if p.Num < 0 || p.Num >= len(attachments) {
				return fmt.Errorf("there is no attachment %d", p.Num)
			}
		}
	}
	return nil
}

type wireResult struct {
	Ack         []json.RawMessage `json:"ack"`
	Attachments [][]byte          `json:"attachments"`
	Emit        []wireEmission    `json:"emit"`
	Join        names             `json:"join"`
	Leave       names             `json:"leave"`
	Data        json.RawMessage   `json:"data"`
	Disconnect  json.RawMessage   `json:"disconnect"`
	Error       *string           `json:"error"`

	User      json.RawMessage `json:"user"`
	Rooms     names           `json:"rooms"`
	ExpiresAt *float64        `json:"expiresAt"`
	Refuse    *struct {
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"refuse"`
}

func (w *wireResult) emissions() ([]Emission, error) {
	var list []Emission
	for i := range w.Emit {
		e, err := w.Emit[i].emission()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// onlyAck reads a result that is nothing but the arguments of an acknowledgement, as most are, and reports whether it was one:
// what reads everything costs more than all the rest of such an event.
func (w *wireResult) onlyAck(raw []byte) bool {
	for m := rawjson.Checked(raw); ; {
		key, value, ok := m.Next()
		if !ok {
			return true
		}
		var err error
		if string(key) != "ack" {
			return false
		}
		if w.Ack, err = rawjson.Split(value, nil); err != nil {
			return false
		}
	}
}

func decodeResult(raw []byte) (*wireResult, error) {
	w := new(wireResult)
	if err := rawjson.CheckObject(raw); err != nil {
		return nil, fmt.Errorf("a result is no object: %w", err)
	}
	if !w.onlyAck(raw) {
		if err := json.Unmarshal(raw, w); err != nil {
			return nil, err
		}
	}
	if len(w.Data) > MaxDataBytes {
		return nil, fmt.Errorf("data has %d bytes, and may have %d", len(w.Data), MaxDataBytes)
	}
	return w, nil
}

// DecodeResult reads the answer to an event.
func DecodeResult(raw []byte) (*Result, error) {
	w, err := decodeResult(raw)
	if err != nil {
		return nil, err
	}
	r := &Result{Ack: w.Ack, Attachments: w.Attachments, Failed: w.Error, Join: w.Join, Leave: w.Leave, Data: w.Data}
	if r.Emit, err = w.emissions(); err != nil {
		return nil, err
	}
	if err := checkArgs(r.Ack, r.Attachments); err != nil {
		return nil, fmt.Errorf("ack: %w", err)
	}
	switch string(w.Disconnect) {
	case "", "false", "null":
	case "true":
		r.Disconnect = LeaveNamespace
	case `"close"`:
		r.Disconnect = CloseConnection
	default:
		return nil, errors.New("disconnect is neither true, false nor \"close\"")
	}
	return r, nil
}

// DecodeWelcome reads the answer to the question whether a client may come in: an [app.ConnectError] where it may not.
func DecodeWelcome(raw []byte) (*Welcome, error) {
	w, err := decodeResult(raw)
	if err != nil {
		return nil, err
	}
	if w.Refuse != nil {
		refusal := &app.ConnectError{Message: w.Refuse.Message}
		if w.Refuse.Data != nil {
			refusal.Data = w.Refuse.Data
		}
		return nil, refusal
	}
	out := &Welcome{Rooms: w.Rooms, Data: w.Data}
	if len(w.User) > 0 && string(w.User) != "null" {
		if out.User, err = name(w.User); err != nil {
			return nil, fmt.Errorf("user: %w", err)
		}
	}
	if w.ExpiresAt != nil {
		out.Expires = time.UnixMilli(int64(*w.ExpiresAt * 1000))
	}
	out.Emit, err = w.emissions()
	return out, err
}
