package format

import (
	"encoding/json"
	"strconv"

	"signalbox/server/rawjson"
)

// text returns what a JSON string says; ok is false for anything else.
func text(raw []byte) (s string, ok bool) {
	if !rawjson.IsString(raw) {
		return "", false
	}
	return string(rawjson.Unquote(raw)), true
}

// splitArray reads an array of JSON values. They alias b.
func splitArray(b []byte) (Packet, error) {
	list, err := rawjson.Split(b, make([]json.RawMessage, 0, 4))
	if err != nil {
		return Packet{}, err
	}
	return Packet{Args: list}, nil
}

// names returns the elements of a JSON array as names of rooms: strings, or numbers, which become text. nil is none.
func names(raw []byte) (list []string, err error) {
	if raw == nil || isNothing(raw) {
		return nil, nil
	}
	packet, err := splitArray(raw)
	if err != nil || len(packet.Args) == 0 {
		return nil, err
	}
	list = make([]string, 0, len(packet.Args))
	for _, arg := range packet.Args {
		switch c := arg[0]; {
		case c == '"':
			list = append(list, string(rawjson.Unquote(arg)))
		case rawjson.IsNumber(arg):
			list = append(list, numberName(arg))
		case c == 't' || c == 'f':
			list = append(list, string(arg))
		default:
			return nil, ErrFormat
		}
	}
	return list, nil
}

// numberName returns what JavaScript's String() makes of a number, but that whole numbers keep their digits.
func numberName(raw []byte) string {
	text := string(raw)
	if _, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return text
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return text
	}
	f, _ := strconv.ParseFloat(text, 64)
	return string(rawjson.AppendNumber(nil, f))
}

// count returns a number of clients.
func count(raw []byte) (int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return 0, ErrFormat
	}
	return n, nil
}
