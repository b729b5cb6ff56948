package format

import (
	"errors"
	"reflect"
	"testing"

	"signalbox/server/rawjson"
)

func TestRecordedRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		wire   string
		want   Request
		oneWay bool // only read
	}{
		"join": {wire: `{"uid":"c-abrU","type":2,"opts":{"rooms":[],"except":[]},"rooms":["r9"]}`,
			want: Request{Type: RequestJoin, UID: "c-abrU", Names: []string{"r9"}}},
		"leave": {wire: `{"uid":"c-abrU","type":3,"opts":{"rooms":["room1"],"except":[]},"rooms":["r9","r8"]}`,
			want: Request{Type: RequestLeave, UID: "c-abrU", Rooms: []string{"room1"}, Names: []string{"r9", "r8"}}},
		"disconnect": {wire: `{"uid":"c-abrU","type":4,"opts":{"rooms":["room1"],"except":[]},"close":true}`,
			want: Request{Type: RequestDisconnect, UID: "c-abrU", Rooms: []string{"room1"}, Close: true}},
		"fetch": {wire: `{"uid":"c-abrU","requestId":"6UQ_41","type":5,"opts":{"rooms":[],"except":[]}}`,
			want: Request{Type: RequestFetch, UID: "c-abrU", ID: "6UQ_41"}},
		"all rooms": {wire: `{"uid":"c-abrU","requestId":"fP_bOb","type":1}`,
			want: Request{Type: RequestAllRooms, UID: "c-abrU", ID: "fP_bOb"}},
		"sockets": {wire: `{"uid":"c-abrU","requestId":"fP_bOb","type":0,"rooms":["r"]}`,
			want: Request{Type: RequestSockets, UID: "c-abrU", ID: "fP_bOb", Rooms: []string{"r"}}},
		"event": {wire: `{"uid":"c-abrU","type":6,"data":["evt",{"a":1}]}`,
			want: Request{Type: RequestServerSide, UID: "c-abrU", Packet: Packet{Args: args(`"evt"`, `{"a":1}`)}}},
		"event that asks": {wire: `{"uid":"c-abrU","requestId":"9SOVW0","type":6,"data":["ping2",5]}`,
			want: Request{Type: RequestServerSide, UID: "c-abrU", ID: "9SOVW0", Packet: Packet{Args: args(`"ping2"`, `5`)}}},
		"join of the emitter": {wire: `{"type":2,"opts":{"rooms":["room1"],"except":[]},"rooms":["r5"]}`,
			want: Request{Type: RequestJoin, Rooms: []string{"room1"}, Names: []string{"r5"}}},
		"disconnect of the emitter": {wire: `{"type":4,"opts":{"rooms":["none"],"except":[]},"close":true}`,
			want: Request{Type: RequestDisconnect, Rooms: []string{"none"}, Close: true}},
		"kinds": {wire: `{"type":4,"opts":{"rooms":["a"],"except":["b"],"sb":{"k":"r","x":"s"}},"close":false}`,
			want: Request{Type: RequestDisconnect, Rooms: []string{"a"}, Except: []string{"b"}, RoomKinds: "r", ExceptKinds: "s"}},
		"one socket, as before version 7": {wire: `{"requestId":"x","type":2,"sid":"s1","room":"r"}`, oneWay: true,
			want: Request{Type: RequestJoin, ID: "x", SID: "s1", Room: "r"}},
		"unknown members, numbers, space": {wire: ` {"v":{"a":[1]}, "opts" : {"rooms":[1,-0,1e3,1.5,1e21,true],"z":0}, "type":4, "\u0063lose":true , "uid":null}`, oneWay: true,
			want: Request{Type: RequestDisconnect, Rooms: []string{"1", "0", "1000", "1.5", "1e+21", "true"}, Close: true}},
	} {
		t.Run(name, func(t *testing.T) {
			msg := []byte(tt.wire)
			if msg[0] == ' ' {
				msg = msg[1:]
			}
			got, err := ParseClassicRequest(msg)
			if err != nil {
				t.Fatalf("ParseClassicRequest: %v", err)
			}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("read\n%+v, want\n%+v", *got, tt.want)
			}
			if tt.oneWay {
				return
			}
			again, err := AppendClassicRequest([]byte("x"), &tt.want)
			if err != nil || string(again) != "x"+tt.wire {
				t.Errorf("AppendClassicRequest = %s, %v, want %s", again, err, tt.wire)
			}
		})
	}
}

func TestRecordedAskIsRead(t *testing.T) {
	wire := unhex(t, `85a3756964a6632d61627255a9726571756573744964a6366c706a436aa47479706507a67061636b657483a47479706502a46461746192a361736b
		a171a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c61677381a774696d656f7574cd03e8`)
	r, err := ParseClassicRequest(wire)
	if err != nil {
		t.Fatal(err)
	}
	if r.Type != RequestBroadcast || r.UID != "c-abrU" || r.ID != "6lpjCj" || r.Broadcast.Flags.Timeout.Milliseconds() != 1000 {
		t.Errorf("read %+v %+v", r, r.Broadcast)
	}
	b, err := r.Broadcast.Broadcast()
	if err != nil {
		t.Fatal(err)
	}
	if b.UID != "c-abrU" || b.RequestID != "6lpjCj" || b.Namespace != "/" || !reflect.DeepEqual(texts(b.Args), []string{`"ask"`, `"q"`}) {
		t.Errorf("read %+v", b)
	}
}

func TestClassicServerSideWithBytes(t *testing.T) {
	for name, packet := range map[string]Packet{
		"as encoders write it": {Args: args(`"e"`, `{"_placeholder":true,"num":0}`, `{"a":1}`), Attachments: [][]byte{{1, 2}}},
		"with space":           {Args: args(`"e"`, `{"_placeholder":true,"num":0}`, `{"a": 1}`), Attachments: [][]byte{{1, 2}}},
		"out of order": {Args: args(`"e"`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":0}`),
			Attachments: [][]byte{{1, 2}, {3}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := Request{Type: RequestServerSide, UID: "u", ID: "i", Packet: packet}
			wire, err := AppendClassicRequest(nil, &want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseClassicRequest(wire)
			if err != nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("read %+v, %v, want %+v", got, err, want)
			}
			want.Namespace = "/a"
			if wire, err = AppendShardedRequest(nil, &want); err != nil {
				t.Fatal(err)
			}
			e, err := ParseSharded(wire)
			if err != nil || !reflect.DeepEqual(*e.Request, want) {
				t.Errorf("sharded: read %+v, %v, want %+v", e.Request, err, want)
			}
		})
	}
}

func TestRequestsThatDoNotExist(t *testing.T) {
	for _, r := range []Request{{}, {Type: RequestBroadcast}, {Type: RequestBroadcast + 1}} {
		if got, err := AppendClassicRequest([]byte("kept"), &r); !errors.Is(err, ErrType) || string(got) != "kept" {
			t.Errorf("AppendClassicRequest(%+v) = %q, %v, want ErrType", r, got, err)
		}
	}
	for _, r := range []Request{{}, {Type: RequestBroadcast}, {Type: RequestSockets}, {Type: RequestAllRooms}} {
		if got, err := AppendShardedRequest([]byte("kept"), &r); !errors.Is(err, ErrType) || string(got) != "kept" {
			t.Errorf("AppendShardedRequest(%+v) = %q, %v, want ErrType", r, got, err)
		}
	}
	for _, appendRequest := range []func([]byte, *Request) ([]byte, error){AppendClassicRequest, AppendShardedRequest} {
		if _, err := appendRequest(nil, &Request{Type: RequestServerSide}); !errors.Is(err, ErrEvent) {
			t.Errorf("an event without a name: %v, want ErrEvent", err)
		}
		if _, err := appendRequest(nil, &Request{Type: RequestServerSide, Packet: Packet{Args: args(`"e"`, `nul`)}}); !errors.Is(err, rawjson.ErrSyntax) {
			t.Errorf("an event that is not JSON: %v, want rawjson.ErrSyntax", err)
		}
	}
}

func TestBrokenRequests(t *testing.T) {
	for _, wire := range []string{
		``, `{`, `{}`, `{"type":1}`, `{"type":1,"requestId":""}`, `{"type":5,"requestId":"a"}`, `{"type":"1","requestId":"a"}`, `{"type":1.5,"requestId":"a"}`,
		`{"type":-1,"requestId":"a"}`, `{"type":256,"requestId":"a"}`, `{"type":8,"requestId":"a"}`, `{"type":2,"rooms":["a"]}`, `{"type":2,"opts":[1]}`,
		`{"type":2,"opts":{"rooms":"a"}}`, `{"type":2,"opts":{"rooms":[null]}}`, `{"type":2,"opts":{"rooms":[[]]}}`,
		`{"type":2,"opts":{},"rooms":{}}`, `{"type":6}`, `{"type":6,"data":[]}`, `{"type":6,"data":{}}`, `{"type":6,"data":[{}]}`,
		`{"type":6,"data":["a",]}`, `{"type":7,"requestId":"a","packet":{"type":2,"data":["a"]}}`,
		`{"type":7,"requestId":"a","packet":{"type":3,"data":["a"]},"opts":{}}`, `{"type":7,"requestId":"a","packet":{"type":2},"opts":{}}`,
		`{"uid":5,"type":1,"requestId":"a"}`, `{"type":1,"requestId":"a"} x`, `{"type":1,"requestId":"a"`, "{\"type\":1,\"requestId\":\"\xff\"}",
		"\x81", "\x80\x80", "\x81\xa4type\x01", "\xc1", "\x82\xa4type\x01\xa9requestId\x05", "\x82\xa4type\xa1a\xa9requestId\xa1a",
	} {
		if r, err := ParseClassicRequest([]byte(wire)); err == nil {
			t.Errorf("ParseClassicRequest(%q) = %+v, want an error", wire, r)
		}
	}
}
