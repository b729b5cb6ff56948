package library

import (
	"encoding/json"
	"testing"

	"signalbox/server/cluster/format"
)

// What another server says is not to be relied on.
func TestRemoteSocketsOfAnyShape(t *testing.T) {
	for name, s := range map[string]format.Socket{
		"nothing": {},
		"wrong types": {ID: "x", Handshake: json.RawMessage(`{"headers":[1],"query":{"a":5,"b":["1","2"],"c":"3"},"issued":"x","secure":1,"auth":null}`),
			Data: json.RawMessage(`{`)},
		"no objects": {Handshake: json.RawMessage(`[]`), Data: json.RawMessage(`"text"`)},
	} {
		r := newRemote(s)
		if r.Handshake() == nil || r.Handshake().Headers == nil || r.Handshake().Query == nil || r.Rooms() == nil {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "wrong types" && (len(r.Handshake().Query) != 2 || len(r.Handshake().Query["b"]) != 2) {
			t.Errorf("query = %v", r.Handshake().Query)
		}
	}
}
