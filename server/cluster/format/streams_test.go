package format

import (
	"encoding/hex"
	"reflect"
	"testing"
	"time"
)

// What servers of @socket.io/redis-streams-adapter 0.3.1 and its emitter 0.1 write.
func TestRecordedStreamEntries(t *testing.T) {
	const uid = "1f3210b80006238a"
	for name, tt := range map[string]struct {
		data string
		want Broadcast
	}{
		"to all": {`{"packet":{"type":2,"data":["hello","world"]},"opts":{"rooms":[],"except":[],"flags":{}}}`,
			Broadcast{UID: uid, Namespace: "/", Packet: Packet{Args: args(`"hello"`, `"world"`)}}},
		"bytes, to a room, volatile": {"gqZwYWNrZXSCpHR5cGUCpGRhdGGSo2JpbsQDAQL/pG9wdHODpXJvb21zkaVyb29tMaZleGNlcHSRoXilZmxhZ3OBqHZvbGF0aWxlww==",
			Broadcast{UID: uid, Namespace: "/", Rooms: []string{"room1"}, Except: []string{"x"}, Flags: Flags{Volatile: true},
				Packet: Packet{Args: args(`"bin"`, `{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1, 2, 255}}}}},
	} {
		e, err := ParseStream(uid, "/", "3", []byte(tt.data))
		if err != nil || e.Broadcast == nil {
			t.Fatalf("%s: %+v, %v", name, e, err)
		}
		got, err := e.Broadcast.Broadcast()
		if err != nil || !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s: decoded\n%+v, %v, want\n%+v", name, got, err, tt.want)
		}
		if again, err := AppendStream(nil, &tt.want); err != nil || string(again) != tt.data {
			t.Errorf("%s: AppendStream = %q, %v, want %q", name, again, err, tt.data)
		}
	}
	for kind, tt := range map[string]struct {
		data string
		want Request
	}{
		"4": {`{"opts":{"rooms":["room1"],"except":[],"flags":{}},"rooms":["a","b"]}`, Request{Type: RequestJoin, Rooms: []string{"room1"}, Names: []string{"a", "b"}}},
		"6": {`{"opts":{"rooms":["room1"],"except":[],"flags":{}},"close":true}`, Request{Type: RequestDisconnect, Rooms: []string{"room1"}, Close: true}},
		"9": {`{"packet":["told",1]}`, Request{Type: RequestServerSide, Packet: Packet{Args: args(`"told"`, `1`)}}},
	} {
		tt.want.UID, tt.want.Namespace = "emitter", "/"
		e, err := ParseStream("emitter", "/", kind, []byte(tt.data))
		if err != nil || e.Request == nil || !reflect.DeepEqual(*e.Request, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", kind, e.Request, err, tt.want)
		}
		if !tt.want.Type.IsStreamed() {
			continue
		}
		if got, data, err := AppendStreamRequest(nil, &tt.want); err != nil || string(data) != tt.data || got != int(kind[0]-'0') {
			t.Errorf("%s: AppendStreamRequest = %d, %q, %v", kind, got, data, err)
		}
	}
	for _, kind := range []string{"", "x", "-1", "300", "3"} {
		if e, err := ParseStream(uid, "/", kind, []byte("no base64 nor JSON")); err == nil {
			t.Errorf("type %q: %+v", kind, e)
		}
	}
}

// What they publish: all of it is msgpack.
func TestRecordedStreamRequests(t *testing.T) {
	const uid = "1f3210b80006238a"
	b := Broadcast{UID: uid, Namespace: "/", RequestID: "0ab57882bac74c50", Rooms: []string{"r"}, Flags: Flags{Timeout: time.Second},
		Packet: Packet{Args: args(`"ask"`, `"q"`)}}
	fetch := Request{Type: RequestFetch, UID: uid, Namespace: "/", ID: "61bcd1cf11228577"}
	told := Request{Type: RequestServerSide, UID: uid, Namespace: "/",
		Packet: Packet{Args: args(`"told"`, `1`, `{"_placeholder":true,"num":0}`), Attachments: [][]byte{{9}}}}
	for want, write := range map[string]func() ([]byte, error){
		"84a47479706503a46461746183a67061636b657482a47479706502a46461746192a361736ba171a9726571756573744964b030616235373838326261633734633530" +
			"a46f70747383a5726f6f6d7391a172a665786365707490a5666c61677381a774696d656f7574cd03e8a3756964b031663332313062383030303632333861a36e7370a12f": func() ([]byte, error) { return AppendAsked(nil, &b) },
		"84a47479706507a46461746182a46f70747383a5726f6f6d7390a665786365707490a5666c61677380a9726571756573744964b036316263643163663131323238353737" +
			"a3756964b031663332313062383030303632333861a36e7370a12f": func() ([]byte, error) { return AppendPackedRequest(nil, &fetch) },
		"84a47479706509a46461746181a67061636b657493a4746f6c6401c40109a3756964b031663332313062383030303632333861a36e7370a12f": func() ([]byte, error) { return AppendPackedRequest(nil, &told) },
	} {
		got, err := write()
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("wrote %x, %v\nwant  %s", got, err, want)
		}
		if _, err := ParseSharded(unhex(t, want)); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, r := range []Response{
		{Type: ResponseSockets, Sockets: []Socket{{ID: "s", Rooms: []string{"r"}}}}, {Type: ResponseCount, Count: 300},
		{Type: ResponseAck, SID: "s", Packet: Packet{Args: args(`{"a":[1.5,null]}`, `"é"`)}}, {Type: ResponseValue, Packet: Packet{Args: args(`1`)}},
	} {
		r.ID, r.UID, r.Namespace = "id", uid, "/"
		checkResponse(t, &r, AppendPackedResponse, func(b []byte) (*Response, error) {
			e, err := ParseSharded(b)
			return e.Response, err
		})
	}
}

func FuzzParseStream(f *testing.F) {
	f.Add("3", []byte(`{"packet":{"type":2,"data":["e",1]},"opts":{"rooms":["r"]}}`))
	f.Add("3", []byte("gqZwYWNrZXSCpHR5cGUCpGRhdGGSo2JpbsQDAQL/pG9wdHODpXJvb21zkaVyb29tMaZleGNlcHSRoXilZmxhZ3OBqHZvbGF0aWxlww=="))
	f.Add("4", []byte(`{"opts":{"rooms":["room1"],"except":[],"flags":{}},"rooms":["a","b"]}`))
	f.Add("1", []byte(nil))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		e, err := ParseStream("u", "/", kind, data)
		switch {
		case err != nil:
		case e.Broadcast != nil:
			checkPeeked(t, e.Broadcast)
		case e.Request != nil:
			checkShardedRequest(t, e.Request)
		}
	})
}
