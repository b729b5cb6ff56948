package format

import (
	"encoding/json"
	"unicode/utf8"

	"signalbox/server/msgpack"
	"signalbox/server/rawjson"
)

// unpackRaw reads arguments that are JSON already.
func unpackRaw(b []byte) ([]json.RawMessage, error) {
	bins, err := unpackBins(b)
	if err != nil {
		return nil, err
	}
	args := make([]json.RawMessage, len(bins))
	for i, arg := range bins {
		if rawjson.Check(arg) != nil || !utf8.Valid(arg) {
			return nil, ErrFormat
		}
		args[i] = arg
	}
	return args, nil
}

// unpackBins reads an array of bytes.
func unpackBins(b []byte) ([][]byte, error) {
	c := msgpack.Cursor{B: b}
	bins := make([][]byte, c.Array())
	for i := range bins {
		bins[i] = c.Bin()
	}
	if !c.Done() {
		return nil, ErrFormat
	}
	return bins, nil
}
