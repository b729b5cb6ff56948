package api

import (
	"encoding/json"

	"signalbox/server/rawjson"
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
	if !rawjson.IsNumber(raw) {
		return "", faultf(CodeInvalidRequest, "%s is neither text nor a number", clip(string(raw)))
	}
	text, err := rawjson.NumberText(raw)
	if err != nil {
		return "", faultf(CodeInvalidRequest, "JavaScript cannot hold the number %s exactly, write it as text", clip(string(raw)))
	}
	return text, nil
}
