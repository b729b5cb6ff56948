package format

import (
	"encoding/json"
	"unicode/utf8"

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
	c := cursor{b: b}
	bins := make([][]byte, c.array())
	for i := range bins {
		bins[i] = c.bin()
	}
	if !c.done() {
		return nil, ErrFormat
	}
	return bins, nil
}
