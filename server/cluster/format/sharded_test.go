package format

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"signalbox/server/rawjson"
)

func TestRecordedShardedBroadcasts(t *testing.T) {
	for name, tt := range map[string]struct {
		wire string
		want Broadcast
	}{
		"to all": {`{"type":3,"data":{"packet":{"type":2,"data":["hello","world"]},"opts":{"rooms":[],"except":[],"flags":{}}},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Broadcast{UID: "f37993a481adb5cc", Namespace: "/", Packet: Packet{Args: args(`"hello"`, `"world"`)}}},
		"bytes": {string(unhex(t, `84a47479706503a46461746182a67061636b657482a47479706502a46461746192a362696ec4030102ffa46f70747383a5726f6f6d7391a5726f6f6d31
			a665786365707490a5666c61677380a3756964b066333739393361343831616462356363a36e7370a12f`)),
			Broadcast{UID: "f37993a481adb5cc", Namespace: "/", Rooms: []string{"room1"},
				Packet: Packet{Args: args(`"bin"`, `{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1, 2, 255}}}}},
		"ask": {`{"type":3,"data":{"packet":{"type":2,"data":["ask","q"]},"requestId":"444e2e7556e59161","opts":{"rooms":["room1"],"except":[],"flags":{"timeout":1000}}},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Broadcast{UID: "f37993a481adb5cc", Namespace: "/", RequestID: "444e2e7556e59161", Rooms: []string{"room1"},
				Flags: Flags{Timeout: time.Second}, Packet: Packet{Args: args(`"ask"`, `"q"`)}}},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := ParseSharded([]byte(tt.wire))
			if err != nil {
				t.Fatalf("ParseSharded: %v", err)
			}
			if e.UID != tt.want.UID || e.Namespace != tt.want.Namespace || e.Broadcast == nil || e.Request != nil || e.Response != nil {
				t.Fatalf("ParseSharded = %+v", e)
			}
			got, err := e.Broadcast.Broadcast()
			if err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("decoded\n%+v, %v, want\n%+v", got, err, tt.want)
			}
			again, err := AppendSharded([]byte("x"), &tt.want)
			if err != nil || string(again) != "x"+tt.wire {
				t.Errorf("AppendSharded = %q, %v, want %q", again, err, tt.wire)
			}
		})
	}
}

func TestShardedExtensionComesBack(t *testing.T) {
	for name, packet := range map[string]Packet{
		"JSON":    {Args: args(`"\u0061"`, `{ "a" : [1.0] }`)},
		"msgpack": {Args: args(`"\u0061"`, `{ "a" : [1.0, {"num":0,"_placeholder":true}] }`), Attachments: [][]byte{{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := Broadcast{UID: "u", Namespace: "/chat", RequestID: "r1", Rooms: []string{"r", "é"}, Except: []string{"\x01"},
				Flags: Flags{Volatile: true, Plain: true, Single: true}, Packet: packet,
				Ext: &Ext{RoomKinds: "ra", ExceptKinds: "s", Text: []byte(`{"x":"é"}`), SSE: []byte("data: x\n\n"), DeriveSSE: true,
					CountID: "c1", Node: "node", MessageID: "m1", Foreign: true}}
			wire, err := AppendSharded(nil, &want)
			if err != nil {
				t.Fatal(err)
			}
			e, err := ParseSharded(wire)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Broadcast.Broadcast()
			if err != nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("got\n%+v, %v, want\n%+v", got, err, want)
			}
		})
	}
}

func TestRecordedShardedRequests(t *testing.T) {
	const uid = "f37993a481adb5cc"
	for name, tt := range map[string]struct {
		wire string
		want Request
	}{
		"join": {`{"type":4,"data":{"opts":{"rooms":["room1"],"except":[],"flags":{}},"rooms":["r9","r8"]},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Request{Type: RequestJoin, Rooms: []string{"room1"}, Names: []string{"r9", "r8"}}},
		"leave": {`{"type":5,"data":{"opts":{"rooms":[],"except":[],"flags":{}},"rooms":["r9"]},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Request{Type: RequestLeave, Names: []string{"r9"}}},
		"disconnect": {`{"type":6,"data":{"opts":{"rooms":["room1"],"except":[],"flags":{}},"close":true},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Request{Type: RequestDisconnect, Rooms: []string{"room1"}, Close: true}},
		"fetch": {`{"type":7,"data":{"opts":{"rooms":[],"except":[],"flags":{}},"requestId":"50d3e06d4c2da1a8"},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Request{Type: RequestFetch, ID: "50d3e06d4c2da1a8"}},
		"event that asks": {`{"type":9,"data":{"requestId":"3c9d118eb5eec2cb","packet":["ping2",5]},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Request{Type: RequestServerSide, ID: "3c9d118eb5eec2cb", Packet: Packet{Args: args(`"ping2"`, `5`)}}},
		"event": {`{"type":9,"data":{"packet":["e"]},"uid":"f37993a481adb5cc","nsp":"/"}`,
			Request{Type: RequestServerSide, Packet: Packet{Args: args(`"e"`)}}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.want.UID, tt.want.Namespace = uid, "/"
			e, err := ParseSharded([]byte(tt.wire))
			if err != nil {
				t.Fatalf("ParseSharded: %v", err)
			}
			if e.Request == nil || !reflect.DeepEqual(*e.Request, tt.want) {
				t.Errorf("read\n%+v, want\n%+v", e.Request, tt.want)
			}
			again, err := AppendShardedRequest(nil, &tt.want)
			if err != nil || string(again) != tt.wire {
				t.Errorf("AppendShardedRequest = %s, %v, want %s", again, err, tt.wire)
			}
		})
	}
}

func TestRecordedShardedResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		wire string
		want Response
	}{
		"count": {`{"type":11,"data":{"requestId":"444e2e7556e59161","clientCount":1},"uid":"09c9f936efbe0d07","nsp":"/"}`,
			Response{Type: ResponseCount, ID: "444e2e7556e59161", Count: 1}},
		"ack": {`{"type":12,"data":{"requestId":"444e2e7556e59161","packet":"ans-b:q"},"uid":"09c9f936efbe0d07","nsp":"/"}`,
			Response{Type: ResponseAck, ID: "444e2e7556e59161", Packet: Packet{Args: args(`"ans-b:q"`)}}},
		"ack with bytes": {string(unhex(t, `84a4747970650ca46461746182a9726571756573744964b031303964343662633530313561653464a67061636b6574c4020708
			a3756964b030396339663933366566626530643037a36e7370a12f`)),
			Response{Type: ResponseAck, ID: "109d46bc5015ae4d", Packet: Packet{Args: args(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{7, 8}}}}},
		"sockets": {`{"type":8,"data":{"requestId":"50d3e06d4c2da1a8","sockets":[` + recordedSocket + `]},"uid":"09c9f936efbe0d07","nsp":"/"}`,
			Response{Type: ResponseSockets, ID: "50d3e06d4c2da1a8", Sockets: []Socket{decodeSocket(t)}}},
		"value": {`{"type":10,"data":{"requestId":"3c9d118eb5eec2cb","packet":{"pong":5}},"uid":"09c9f936efbe0d07","nsp":"/"}`,
			Response{Type: ResponseValue, ID: "3c9d118eb5eec2cb", Packet: Packet{Args: args(`{"pong":5}`)}}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.want.UID, tt.want.Namespace = "09c9f936efbe0d07", "/"
			e, err := ParseSharded([]byte(tt.wire))
			if err != nil {
				t.Fatalf("ParseSharded: %v", err)
			}
			if e.Response == nil || !reflect.DeepEqual(*e.Response, tt.want) {
				t.Errorf("read\n%+v, want\n%+v", e.Response, tt.want)
			}
			again, err := AppendShardedResponse(nil, &tt.want)
			if err != nil || string(again) != tt.wire {
				t.Errorf("AppendShardedResponse = %q, %v, want %q", again, err, tt.wire)
			}
		})
	}
}

func TestShardedMsgpackRequest(t *testing.T) {
	wire := unhex(t, `84a47479706509a46461746181a67061636b657492a365767481a16101a3756964b065623538656135333232653663646662a36e7370a12f`)
	e, err := ParseSharded(wire)
	if err != nil {
		t.Fatal(err)
	}
	want := Request{Type: RequestServerSide, UID: "eb58ea5322e6cdfb", Namespace: "/", Packet: Packet{Args: args(`"evt"`, `{"a":1}`)}}
	if e.Request == nil || !reflect.DeepEqual(*e.Request, want) {
		t.Errorf("read %+v, want %+v", e.Request, want)
	}
}

func TestHeartbeatsAreIgnored(t *testing.T) {
	for _, wire := range []string{`{"type":1,"uid":"u","nsp":"/"}`, `{"type":2,"uid":"u"}`, `{"type":13,"uid":"u","nsp":"/"}`} {
		e, err := ParseSharded([]byte(wire))
		if err != nil || !reflect.DeepEqual(e, Envelope{UID: "u", Namespace: "/"}) {
			t.Errorf("ParseSharded(%s) = %+v, %v", wire, e, err)
		}
	}
}

func TestDeepestArguments(t *testing.T) {
	deep := strings.Repeat("[", rawjson.MaxDepth) + strings.Repeat("]", rawjson.MaxDepth)
	b := Broadcast{UID: "u", Namespace: "/", Packet: Packet{Args: args(`"e"`, deep)}}
	wire, err := AppendSharded(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseSharded(wire)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Broadcast.Packet(); err != nil || string(got.Args[1]) != deep {
		t.Errorf("sharded: %v", err)
	}
	if wire, err = AppendClassic(nil, &b); err != nil {
		t.Fatal(err)
	}
	p, err := PeekClassic(wire)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Packet(); err != nil || string(got.Args[1]) != deep {
		t.Errorf("classic: %v", err)
	}

	// One more is refused by whoever reads it.
	more := strings.Replace(string(wire), "\x91\x91\x91", "\x91\x91\x91\x91", 1)
	if p, err = PeekClassic([]byte(more)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Packet(); !errors.Is(err, rawjson.ErrDepth) {
		t.Errorf("one level more: %v, want rawjson.ErrDepth", err)
	}
	b.Args[1] = []byte("[" + deep + "]")
	if _, err := AppendSharded(nil, &b); !errors.Is(err, rawjson.ErrDepth) {
		t.Errorf("AppendSharded: %v, want rawjson.ErrDepth", err)
	}
}

func TestBrokenSharded(t *testing.T) {
	for _, wire := range []string{
		``, `{}`, `[]`, `{"type":3}`, `{"type":0,"data":{}}`, `{"type":14,"data":{}}`, `{"type":3,"data":[]}`, `{"type":3,"data":{}}`,
		`{"type":3,"data":{"packet":{"type":2,"data":["a"]}}}`, `{"type":3,"data":{"packet":[],"opts":{}}}`, `{"type":3,"data":{"packet":{"type":2,"data":"a"},"opts":{"rooms":5}}}`,
		`{"type":3,"data":{"packet":{"type":2,"data":["a"]},"opts":{"sb":{"k":5}}}}`, `{"type":3,"data":{"packet":{"type":2,"data":["a"]},"opts":{"sb":[]}}}`,
		`{"type":3,"data":{"packet":{"type":2,"data":["a"],"nsp":5},"opts":{}}}`, `{"type":3,"data":{"packet":{"type":2,"data":["a"]},"opts":{"flags":5}}}`,
		`{"type":4,"data":{"sid":"a","rooms":[]}}`, `{"type":7,"data":{"opts":{}}}`, `{"type":8,"data":{"requestId":"a"}}`, `{"type":8,"data":{"sockets":[]}}`,
		`{"type":9,"data":{"packet":[5.5,{}]},"uid":[]}`, `{"type":9,"data":{"packet":[{}]}}`, `{"type":11,"data":{"requestId":"a","clientCount":[]}}`,
		`{"type":12,"data":{"requestId":"a","packet":1,"sb":5}}`, `{"type":12,"data":{"requestId":"a","packet":1,"sb":{"j":5}}}`, "\x83\xa4type\x03\xa4data\x80\xa3uid\xa1a", "\x83\xa4type\x03\xa4data\xc0",
		"{\"type\":12,\"data\":{\"requestId\":\"a\",\"packet\":\"\xff\"}}",
	} {
		if e, err := ParseSharded([]byte(wire)); err == nil {
			t.Errorf("ParseSharded(%q) = %+v, want an error", wire, e)
		}
	}
}

func BenchmarkSharded(b *testing.B) {
	payload := `{"from":"alice","at":1700000000123,"text":"` + strings.Repeat("Hello there. ", 18) + `","n":12.5}`
	msg := Broadcast{UID: "f37993a481adb5cc", Namespace: "/chat", Rooms: []string{"general"}, Packet: Packet{Args: args(`"message"`, payload)},
		Ext: &Ext{RoomKinds: "r", Node: "n-1", MessageID: "0192f5a3-7c1e"}}
	wire, err := AppendSharded(nil, &msg)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			if _, err := AppendSharded(nil, &msg); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			e, err := ParseSharded(wire)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := e.Broadcast.Packet(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
