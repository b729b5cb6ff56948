package api

import (
	"encoding/json"
	"strconv"
	"strings"
)

// ids is a list of names. A number counts as the text that JavaScript's String() makes of it, as it does where clients
// give it: 5 and "5" are one user.
type ids []string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *ids) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	list := make(ids, len(raw))
	for i, r := range raw {
		var err error
		if list[i], err = idText(r); err != nil {
			return err
		}
	}
	*l = list
	return nil
}

func idText(raw json.RawMessage) (string, error) {
	if raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	literal := string(raw)
	f, err := strconv.ParseFloat(literal, 64)
	switch {
	case err != nil || literal[0] != '-' && (literal[0] < '0' || literal[0] > '9'):
		return "", faultf(CodeInvalidRequest, "%s is neither text nor a number", clip(literal))
	case f == 0:
		return "0", nil // -0 too
	case !strings.ContainsAny(literal, ".eE") && strconv.FormatFloat(f, 'f', -1, 64) != literal:
		return "", faultf(CodeInvalidRequest, "JavaScript cannot hold the number %s exactly, write it as text", clip(literal))
	}
	text, err := json.Marshal(f) // writes as ECMAScript does
	return string(text), err
}
