package router_test

import (
	"encoding/json"
	"testing"

	"signalbox/handlers/router"
)

// FuzzDecodeResult: what is taken as a result can be sent, and one with nothing but ack is read as one with more.
func FuzzDecodeResult(f *testing.F) {
	for _, seed := range []string{`{}`, `{"ack":[1,{"a":[2]}]}`, `{"ack":null}`, `{"ack":[{"_placeholder":true,"num":0}],"attachments":["AQI="]}`,
		`{"emit":[{"to":["a",7],"users":[1],"event":"x","args":[1.50]}],"join":["a"],"disconnect":"close"}`, `{"ack":[1]}x`, `[]`, `{"ack":7}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := router.DecodeResult(raw)
		if err != nil {
			return
		}
		for _, arg := range r.Ack {
			if !json.Valid(arg) {
				t.Errorf("%s: %s is no JSON", raw, arg)
			}
		}
		for i := range raw {
			if raw[i] != '{' {
				continue
			}
			longer := append(append([]byte{}, raw[:i+1]...), `"other":0`...)
			if rest := raw[i+1:]; json.Valid(append([]byte(`{"other":0,`), rest...)) {
				longer = append(append(longer, ','), rest...)
			} else {
				longer = append(longer, rest...)
			}
			again, err := router.DecodeResult(longer)
			if err != nil || len(again.Ack) != len(r.Ack) {
				t.Errorf("%s and %s are read differently: %v", raw, longer, err)
			}
			break
		}
		_, _ = router.DecodeWelcome(raw)
	})
}
