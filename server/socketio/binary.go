package socketio

import (
	"bytes"
	"encoding/json"
	"math"

	"signalbox/server/rawjson"
)

// checkPlaceholders reports whether every placeholder in args refers to one of the attachments.
//
// Rule: the reference parser refuses a number that is missing, negative, not a number or out of range; a fraction, which
// no encoder writes, is refused as well. CVE-2022-2421.
func checkPlaceholders(args []json.RawMessage, attachments int) error {
	var room [maxAttachments]rawjson.Placeholder
	for _, arg := range args {
		for _, p := range rawjson.Placeholders(room[:0], arg) {
			if p.Num < 0 || p.Num >= attachments {
				return errAttachments
			}
		}
	}
	return nil
}

func placeholderIndex(v map[string]any, attachments int) (int, error) {
	num, ok := v["num"].(float64)
	if !ok || num < 0 || num >= float64(attachments) || num != math.Trunc(num) {
		return 0, errAttachments
	}
	return int(num), nil
}

// decodeArgs returns arguments as Go values for listeners of the library: JSON as encoding/json decodes it, and each
// placeholder replaced by what binary makes of its attachment.
func decodeArgs(args []json.RawMessage, attachments [][]byte, binary func([]byte) any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		if err := json.Unmarshal(arg, &out[i]); err != nil {
			return nil, rawjson.ErrSyntax
		}
		if len(attachments) > 0 {
			var err error
			if out[i], err = insert(out[i], attachments, binary); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func insert(v any, attachments [][]byte, binary func([]byte) any) (_ any, err error) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = insert(v[i], attachments, binary); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if v["_placeholder"] == true {
			i, err := placeholderIndex(v, len(attachments))
			if err != nil {
				return nil, err
			}
			return binary(bytes.Clone(attachments[i])), nil
		}
		for k := range v {
			if v[k], err = insert(v[k], attachments, binary); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
