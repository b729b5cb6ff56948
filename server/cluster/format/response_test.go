package format

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"signalbox/server/rawjson"
)

const recordedSocket = `{"id":"-zDma5BwQTRzSHImAAAB","handshake":{"headers":{"host":"127.0.0.1:40243"},"time":"Fri Nov 20 2026 08:47:21 GMT+0000 (Coordinated Universal Time)",` +
	`"address":"127.0.0.1","xdomain":false,"secure":false,"issued":1795164441716,"url":"/socket.io/?EIO=4&transport=websocket","query":{"EIO":"4","transport":"websocket"},"auth":{}},` +
	`"rooms":["-zDma5BwQTRzSHImAAAB","room1"],"data":{"user":"bob"}}`

func decodeSocket(t *testing.T) Socket {
	t.Helper()
	var s Socket
	if err := json.Unmarshal([]byte(recordedSocket), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecordedResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		wire string
		want Response
	}{
		"rooms": {`{"requestId":"fP_bOb","rooms":["-zDma5BwQTRzSHImAAAB","room1"]}`,
			Response{Type: ResponseRooms, ID: "fP_bOb", Rooms: []string{"-zDma5BwQTRzSHImAAAB", "room1"}}},
		"no rooms":   {`{"requestId":"fP_bOb","rooms":[]}`, Response{Type: ResponseRooms, ID: "fP_bOb"}},
		"ids":        {`{"requestId":"fP_bOb","sockets":["a","b"]}`, Response{Type: ResponseIDs, ID: "fP_bOb", Rooms: []string{"a", "b"}}},
		"sockets":    {`{"requestId":"6UQ_41","sockets":[` + recordedSocket + `]}`, Response{Type: ResponseSockets, ID: "6UQ_41", Sockets: []Socket{decodeSocket(t)}}},
		"no sockets": {`{"requestId":"6UQ_41","sockets":[]}`, Response{Type: ResponseSockets, ID: "6UQ_41", Sockets: []Socket{}}},
		"value":      {`{"type":6,"requestId":"9SOVW0","data":{"pong":5}}`, Response{Type: ResponseValue, ID: "9SOVW0", Packet: Packet{Args: args(`{"pong":5}`)}}},
		"no value":   {`{"type":6,"requestId":"9SOVW0"}`, Response{Type: ResponseValue, ID: "9SOVW0"}},
		"count":      {`{"type":8,"requestId":"6lpjCj","clientCount":1}`, Response{Type: ResponseCount, ID: "6lpjCj", Count: 1}},
		"done":       {`{"requestId":"x"}`, Response{Type: ResponseDone, ID: "x"}},
		"ack": {string(unhex(t, `83a47479706509a9726571756573744964a6366c706a436aa67061636b6574a7616e732d623a71`)),
			Response{Type: ResponseAck, ID: "6lpjCj", Packet: Packet{Args: args(`"ans-b:q"`)}}},
		"empty ack": {"\x82\xa4type\x09\xa9requestId\xa1a", Response{Type: ResponseAck, ID: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseClassicResponse([]byte(tt.wire))
			if err != nil {
				t.Fatalf("ParseClassicResponse: %v", err)
			}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("read\n%+v, want\n%+v", *got, tt.want)
			}
			again, err := AppendClassicResponse([]byte("x"), &tt.want)
			if err != nil || string(again) != "x"+tt.wire {
				t.Errorf("AppendClassicResponse = %q, %v, want %q", again, err, tt.wire)
			}
		})
	}
}

func TestAnswersOfSignalbox(t *testing.T) {
	for name, packet := range map[string]Packet{
		"none":                     {},
		"one":                      {Args: args(`{"a":1}`)},
		"one with space":           {Args: args(`{"a": 1}`)},
		"two":                      {Args: args(`1`, `"b"`)},
		"bytes":                    {Args: args(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1}}},
		"bytes in an odd object":   {Args: args(`{"_placeholder":true, "num":0}`), Attachments: [][]byte{{1}}},
		"bytes in the second":      {Args: args(`1`, `{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1}}},
		"bytes that nothing names": {Args: args(`1`), Attachments: [][]byte{{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := Response{Type: ResponseAck, ID: "i", SID: "s", Packet: packet}
			wire, err := AppendClassicResponse(nil, &want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseClassicResponse(wire)
			if err != nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("read %+v, %v, want %+v", got, err, want)
			}
			want.UID, want.Namespace = "u", "/a"
			if wire, err = AppendShardedResponse(nil, &want); err != nil {
				t.Fatal(err)
			}
			e, err := ParseSharded(wire)
			if err != nil || !reflect.DeepEqual(*e.Response, want) {
				t.Errorf("sharded: read %+v, %v, want %+v", e.Response, err, want)
			}
		})
	}
}

func TestSocketsHaveTheirObjects(t *testing.T) {
	got, err := AppendClassicResponse(nil, &Response{Type: ResponseSockets, ID: "i", Sockets: []Socket{{ID: "a"}}})
	want := `{"requestId":"i","sockets":[{"id":"a","handshake":{"headers":{},"query":{},"auth":{}},"rooms":[],"data":{}}]}`
	if err != nil || string(got) != want {
		t.Errorf("AppendClassicResponse = %s, %v, want %s", got, err, want)
	}
}

func TestSocketsWithBytes(t *testing.T) {
	// {type:8, data:{requestId:"i", sockets:[{id:"a", rooms:[7], data:{b:<01 02>}}]}, uid:"u", nsp:"/"}
	wire := "\x84\xa4type\x08\xa4data\x82\xa9requestId\xa1i\xa7sockets\x91\x83\xa2id\xa1a\xa5rooms\x91\x07\xa4data\x81\xa1b\xc4\x02\x01\x02\xa3uid\xa1u\xa3nsp\xa1/"
	e, err := ParseSharded([]byte(wire))
	if err != nil {
		t.Fatal(err)
	}
	want := []Socket{{ID: "a", Rooms: []string{"7"}, Data: json.RawMessage(`{"b":{"type":"Buffer","data":[1,2]}}`)}}
	if !reflect.DeepEqual(e.Response.Sockets, want) {
		t.Errorf("read %s, want %s", e.Response.Sockets, want)
	}
}

func TestResponsesThatDoNotExist(t *testing.T) {
	for _, r := range []Response{{}, {Type: ResponseAck + 1}} {
		if got, err := AppendClassicResponse([]byte("kept"), &r); !errors.Is(err, ErrType) || string(got) != "kept" {
			t.Errorf("AppendClassicResponse(%+v) = %q, %v, want ErrType", r, got, err)
		}
	}
	for _, r := range []Response{{}, {Type: ResponseDone}, {Type: ResponseIDs}, {Type: ResponseRooms}, {Type: ResponseAck + 1}} {
		if got, err := AppendShardedResponse([]byte("kept"), &r); !errors.Is(err, ErrType) || string(got) != "kept" {
			t.Errorf("AppendShardedResponse(%+v) = %q, %v, want ErrType", r, got, err)
		}
	}
	for _, r := range []Response{
		{Type: ResponseValue, Packet: Packet{Args: args(`x`)}},
		{Type: ResponseAck, Packet: Packet{Args: args(`x`)}},
		{Type: ResponseAck, Packet: Packet{Args: args(`x`), Attachments: [][]byte{{1}}}},
		{Type: ResponseSockets, Sockets: []Socket{{Data: []byte(`{`)}}},
		{Type: ResponseSockets, Sockets: []Socket{{Handshake: []byte(`{`)}}},
	} {
		if got, err := AppendClassicResponse([]byte("kept"), &r); !errors.Is(err, rawjson.ErrSyntax) || string(got) != "kept" {
			t.Errorf("AppendClassicResponse(%+v) = %q, %v, want rawjson.ErrSyntax", r, got, err)
		}
		if got, err := AppendShardedResponse([]byte("kept"), &r); !errors.Is(err, rawjson.ErrSyntax) || string(got) != "kept" {
			t.Errorf("AppendShardedResponse(%+v) = %q, %v, want rawjson.ErrSyntax", r, got, err)
		}
	}
}

func TestBrokenResponses(t *testing.T) {
	for _, wire := range []string{
		``, `{}`, `{"requestId":5}`, `{"requestId":"a","rooms":5}`, `{"requestId":"a","sockets":5}`, `{"requestId":"a","sockets":[5]}`,
		`{"requestId":"a","sockets":[{}]}`, `{"requestId":"a","sockets":[{"id":"a","rooms":5}]}`, `{"requestId":"a","sockets":["a",{}]}`,
		`{"type":8,"requestId":"a"}`, `{"type":8,"requestId":"a","clientCount":-1}`, `{"type":8,"requestId":"a","clientCount":1.5}`,
		`{"type":8,"requestId":"a","clientCount":"1"}`, `{"type":7,"requestId":"a"}`, "\x82\xa4type\x09\xa9requestId",
		"\x83\xa4type\x09\xa9requestId\xa1a\xa6packet\xc1",
		"\x83\xa4type\x09\xa9requestId\xa1a\xa2sb\x90", "\x83\xa4type\x09\xa9requestId\xa1a\xa2sb\x81\xa1j\x91\xc4\x01{",
	} {
		if r, err := ParseClassicResponse([]byte(wire)); err == nil {
			t.Errorf("ParseClassicResponse(%q) = %+v, want an error", wire, r)
		}
	}
}
