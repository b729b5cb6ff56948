package library

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"

	eio "github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/rawjson"
)

// This file is what programs emit and hear, between Go values and JSON.

// plainAll returns arguments as package socketio writes them: the library's buffers are texts and bytes, and a
// handshake is as a Node server has it. It looks into []any and map[string]any.
func plainAll(args []any) []any {
	out := args
	for i, arg := range args {
		if p, changed := plain(arg); changed {
			if &out[0] == &args[0] {
				out = append([]any(nil), args...)
			}
			out[i] = p
		}
	}
	return out
}

// plain returns v for [plainAll], and whether it is another value.
func plain(v any) (_ any, changed bool) {
	switch v := v.(type) {
	case *eio.StringBuffer:
		return v.String(), true
	case eio.BufferInterface:
		return v.Bytes(), true
	case *sio.Handshake:
		if v != nil {
			return nodeHandshake(v), true
		}
	case sio.Handshake:
		return nodeHandshake(&v), true
	case []any:
		out := plainAll(v)
		return out, len(v) > 0 && &out[0] != &v[0]
	case map[string]any:
		var out map[string]any
		for k, e := range v {
			if p, changed := plain(e); changed {
				if out == nil {
					out = maps.Clone(v)
				}
				out[k] = p
			}
		}
		if out != nil {
			return out, true
		}
	}
	return v, false
}

// nodeHandshake returns a handshake in the form that it has on a Node server: headers in lower case with a text each,
// and a text for each parameter that is there once.
func nodeHandshake(h *sio.Handshake) any {
	headers, query := make(map[string]any, len(h.Headers)), make(map[string]any, len(h.Query))
	for name, values := range h.Headers {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	for name, values := range h.Query {
		if query[name] = any(values); len(values) == 1 {
			query[name] = values[0]
		}
	}
	return map[string]any{
		"headers": headers, "time": h.Time, "address": h.Address, "xdomain": h.Xdomain, "secure": h.Secure,
		"issued": h.Issued, "url": h.Url, "query": query, "auth": h.Auth,
	}
}

var errPlaceholder = errors.New("a placeholder of no attachment")

func placeholderIndex(v map[string]any, attachments int) (int, error) {
	num, ok := v["num"].(float64)
	if !ok || num < 0 || num >= float64(attachments) || num != math.Trunc(num) {
		return 0, errPlaceholder
	}
	return int(num), nil
}

// decodeArgs returns arguments as Go values for listeners: JSON as encoding/json decodes it, and a buffer of the
// library's for each placeholder.
func decodeArgs(args []json.RawMessage, attachments [][]byte) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		if err := json.Unmarshal(arg, &out[i]); err != nil {
			return nil, rawjson.ErrSyntax
		}
		if len(attachments) > 0 {
			var err error
			if out[i], err = insert(out[i], attachments); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func insert(v any, attachments [][]byte) (_ any, err error) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = insert(v[i], attachments); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if v["_placeholder"] == true {
			i, err := placeholderIndex(v, len(attachments))
			if err != nil {
				return nil, err
			}
			return eio.NewBytesBuffer(bytes.Clone(attachments[i])), nil
		}
		for k := range v {
			if v[k], err = insert(v[k], attachments); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
