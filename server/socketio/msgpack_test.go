package socketio

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/msgpack"
	"signalbox/server/rawjson"
	"signalbox/server/wire"
)

// toPacked returns what a client with socket.io-msgpack-parser writes for a packet in JSON. A placeholder stands for bytes,
// and "undefined" for undefined.
func toPacked(t testing.TB, packet string, attachments ...[]byte) []byte {
	t.Helper()
	p := msgpack.NewPacker(nil, attachments)
	if err := p.Value([]byte(packet)); err != nil {
		t.Fatalf("%s: %v", packet, err)
	}
	return bytes.ReplaceAll(p.Dst, []byte("\xa9undefined"), []byte("\xd4\x00\x00"))
}

// fromPacked returns such a packet in JSON.
func fromPacked(t testing.TB, data []byte) string {
	t.Helper()
	packet, _, err := msgpack.Form{Inline: true}.Value(data)
	if err != nil {
		t.Fatalf("%x: %v", data, err)
	}
	return string(packet)
}

// packed is a client that speaks msgpack.
type packed struct{ *client }

func (c packed) Send(packets ...string) {
	c.T.Helper()
	for _, p := range packets {
		c.SendBinary(toPacked(c.T, p, []byte{1, 2, 3}))
	}
}

func (c packed) next() string {
	c.T.Helper()
	got := c.Read()
	if got[0] != 'b' {
		c.T.Fatalf("read %.100q, want a binary message", got)
	}
	return fromPacked(c.T, []byte(got[1:]))
}

func (c packed) Want(packets ...string) {
	c.T.Helper()
	for _, want := range packets {
		if got := c.next(); got != want {
			c.T.Fatalf("read %.300s, want %.300s", got, want)
		}
	}
}

// join connects to a namespace and returns the socket id.
func (c packed) join(namespace string) string {
	c.T.Helper()
	c.Send(fmt.Sprintf(`{"type":0,"data":"undefined","nsp":%q}`, namespace))
	answer := regexp.MustCompile(`^{"type":0,"data":{"sid":"([\w-]{20})"},"nsp":"(.*)"}$`).FindStringSubmatch(c.next())
	if answer == nil || answer[2] != namespace {
		c.T.Fatalf("CONNECT to %s: %q", namespace, answer)
	}
	return answer[1]
}

func connectPacked(t testing.TB, url, namespace string) (packed, string) {
	t.Helper()
	c := packed{dial(t, url)}
	return c, c.join(namespace)
}

func TestMsgpackAnswers(t *testing.T) {
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{}, "/chat": functions{}, "/no": functions{connect: func(_ app.Peer, hs app.Handshake) error {
		return &app.ConnectError{Message: "no", Data: hs.Auth}
	}}})
	c, _ := connectPacked(t, url, "/")
	c.join("/chat")
	c.Send(
		`{"type":0,"data":{"token":"a","blob":{"_placeholder":true,"num":0}},"nsp":"/no"}`,
		`{"type":0,"nsp":"/nowhere"}`,
		`{"type":2,"data":["a",1,{"x":"undefined","y":["undefined",null]}],"options":{"compress":true},"id":0,"nsp":"/"}`,
		`{"id":128,"type":2,"options":{"compress":true},"nsp":"/chat","data":["b",{"_placeholder":true,"num":0}]}`,
		`{"type":2,"data":["c"],"id":"undefined","nsp":"/"}`,
		`{"type":2,"data":[5],"id":9007199254740992,"nsp":"/"}`,
		`{"type":1,"data":"undefined","nsp":"/chat"}`,
		`{"type":0,"data":{},"nsp":"/no"}`,
	)
	c.Want(
		`{"type":4,"data":{"data":{"token":"a","blob":{"type":"Buffer","data":[1,2,3]}},"message":"no"},"nsp":"/no"}`,
		`{"type":4,"data":{"message":"Invalid namespace"},"nsp":"/nowhere"}`,
		`{"type":3,"data":["a",1,{"y":[null,null]}],"id":0,"nsp":"/"}`,
		`{"type":3,"data":["b",{"_placeholder":true,"num":0}],"id":128,"nsp":"/chat"}`,
		`{"type":3,"data":["5"],"id":9007199254740992,"nsp":"/"}`,
		`{"type":4,"data":{"data":{},"message":"no"},"nsp":"/no"}`,
	)
}

// TestMsgpackBesideTheDefaultParser: both are in a room, and what either says is what the other understands.
func TestMsgpackBesideTheDefaultParser(t *testing.T) {
	var s *Server
	handler := functions{
		connect: func(p app.Peer, _ app.Handshake) error { s.hub.Join(p.Member(), teamRoom); return nil },
		event: func(p app.Peer, e *app.Event) {
			s.hub.Send(teamRoom, &hub.Message{Namespace: "/chat", Event: e.Name, RawEvent: e.RawName, Args: e.Args, Attachments: e.Attachments})
		},
	}
	s, url := newTestServer(t, map[string]app.Handler{"/chat": handler})
	plain, plainID := connect(t, url, "/chat")
	c, id := connectPacked(t, url, "/chat")
	for _, tt := range []struct{ text, packet string }{
		{`2/chat,["a",{"b":[1.5,-1,"ä\n"]},null]`, `{"type":2,"data":["a",{"b":[1.5,-1,"ä\n"]},null],"nsp":"/chat"}`},
		{`2/chat,["_",{"_placeholder":true,"num":0}]`, `{"type":2,"data":["_",{"_placeholder":true,"num":0}],"nsp":"/chat"}`},
		{`2/chat,[1]`, `{"type":2,"data":[1],"nsp":"/chat"}`},
	} {
		plain.Send("4" + tt.text)
		plain.Want("4" + tt.text)
		c.Want(tt.packet)
		c.SendBinary(toPacked(t, tt.packet)) // no bytes: what looks like a placeholder is an object
		plain.Want("4" + tt.text)
		c.Want(tt.packet)
	}
	plain.Send(`451-/chat,["b",{"_placeholder":true,"num":0}]`)
	plain.SendBinary([]byte{4, 5})
	plain.Want(`451-/chat,["b",{"_placeholder":true,"num":0}]`, "b\x04\x05")
	c.Want(`{"type":2,"data":["b",{"type":"Buffer","data":[4,5]}],"nsp":"/chat"}`)
	c.Send(`{"type":2,"data":["b",{"_placeholder":true,"num":0}],"nsp":"/chat"}`)
	plain.Want(`451-/chat,["b",{"_placeholder":true,"num":0}]`, "b\x01\x02\x03")
	c.Want(`{"type":2,"data":["b",{"type":"Buffer","data":[1,2,3]}],"nsp":"/chat"}`)

	// Both are asked, and answer.
	answers := make(chan string, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan int)
	go func() { // awaited below
		asked, _ := s.EmitWithAck(ctx, hub.Selection{}, ask("q"), func(sid string, args []json.RawMessage, attachments [][]byte) {
			answers <- fmt.Sprintf("%s %s %x", sid, args, attachments)
		})
		done <- asked
	}()
	question := regexp.MustCompile(`^{"type":2,"data":\["q",{"n":1}\],"id":(\d+),"nsp":"/chat"}$`).FindStringSubmatch(c.next())
	if question == nil {
		t.Fatal("no question came")
	}
	c.Send(`{"type":3,"id":` + question[1] + `,"data":["x",{"_placeholder":true,"num":0}],"nsp":"/chat"}`)
	if got, want := receive(t, answers), id+` ["x" {"_placeholder":true,"num":0}] [010203]`; got != want {
		t.Errorf("answer %s, want %s", got, want)
	}
	plain.Want(`42/chat,` + question[1] + `["q",{"n": 1.0}]`)
	plain.Send(`43/chat,` + question[1] + `["y"]`)
	if got, want := receive(t, answers), plainID+` ["y"] []`; got != want || receive(t, done) != 2 {
		t.Errorf("answer %s, want %s", got, want)
	}
	s.audience("/chat", hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", id)}})[0].Disconnect(false)
	c.Want(`{"type":1,"nsp":"/chat"}`)
}

// TestMsgpackRefuses: what is no packet ends its connection and is counted.
func TestMsgpackRefuses(t *testing.T) {
	s, url := newTestServer(t, echo())
	connect := string(toPacked(t, `{"type":0,"nsp":"/"}`))
	many := `{"type":2,"nsp":"/","data":["a"` + strings.Repeat(`,{"_placeholder":true,"num":0}`, maxAttachments+1) + `]}`
	deep := strings.Repeat("[", rawjson.MaxDepth) + strings.Repeat("]", rawjson.MaxDepth)
	level := msgpack.NewPacker(nil, nil)
	if err := level.Value([]byte(deep)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]string{
		"nothing":                           "",
		"no msgpack":                        "\xc1",
		"text as msgpack":                   `2["a"]`,
		"no map":                            "\x91\x02",
		"one byte more":                     connect + "\xc0",
		"one byte less":                     connect[:len(connect)-1],
		"a key that is no text":             "\x83\x01\x02" + connect[1:],
		"a map of 2^32 members":             "\xdf\xff\xff\xff\xff" + connect[1:],
		"an event of 2^32 arguments":        "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff\xa1a",
		"an argument of 2^32 bytes":         "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\xc6\xff\xff\xff\xffa",
		"deeper than JSON":                  "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\x91" + string(level.Dst),
		"bytes in the deepest place":        "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a" + strings.Repeat("\x91", rawjson.MaxDepth) + "\xc4\x00",
		"no type":                           `{"nsp":"/","data":["a"]}`,
		"a type of text":                    `{"type":"2","nsp":"/","data":["a"]}`,
		"half a type":                       `{"type":2.5,"nsp":"/","data":["a"]}`,
		"a binary event":                    `{"type":5,"nsp":"/","data":["a"]}`,
		"a binary ack":                      `{"type":6,"nsp":"/","data":["a"],"id":1}`,
		"a negative type":                   `{"type":-1,"nsp":"/","data":["a"]}`,
		"a connect error":                   `{"type":4,"nsp":"/","data":{"message":"a"}}`,
		"no namespace":                      `{"type":2,"data":["a"]}`,
		"a namespace without a slash":       `{"type":2,"nsp":"chat","data":["a"]}`,
		"a namespace with a comma":          `{"type":2,"nsp":"/,","data":["a"]}`,
		"a namespace that is no text":       `{"type":2,"nsp":1,"data":["a"]}`,
		"a long namespace":                  `{"type":2,"nsp":"/` + strings.Repeat("a", maxNamespaceBytes) + `","data":["a"]}`,
		"a namespace that is not there":     `{"type":2,"nsp":"/chat","data":["a"]}`,
		"an event without data":             `{"type":2,"nsp":"/"}`,
		"an event of nothing":               `{"type":2,"nsp":"/","data":[]}`,
		"an event of an object":             `{"type":2,"nsp":"/","data":{"0":"a"}}`,
		"an event without a name":           `{"type":2,"nsp":"/","data":[{}]}`,
		"a reserved name":                   `{"type":2,"nsp":"/","data":["disconnect"]}`,
		"an ack without data":               `{"type":3,"nsp":"/","id":1}`,
		"a negative id":                     `{"type":2,"nsp":"/","data":["a"],"id":-1}`,
		"half an id":                        `{"type":2,"nsp":"/","data":["a"],"id":0.5}`,
		"an id of text":                     `{"type":2,"nsp":"/","data":["a"],"id":"1"}`,
		"an id of null":                     `{"type":2,"nsp":"/","data":["a"],"id":null}`,
		"a second connect":                  `{"type":0,"nsp":"/"}`,
		"a connect of null":                 `{"type":0,"nsp":"/chat","data":null}`,
		"a connect of an array":             `{"type":0,"nsp":"/chat","data":[]}`,
		"a disconnect of something":         `{"type":1,"nsp":"/","data":{}}`,
		"more bytes than the default takes": many,
		"a placeholder of bytes not there":  `{"type":2,"nsp":"/","data":["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1,"x":1}]}`,
		"a fraction of bytes":               `{"type":2,"nsp":"/","data":["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0.5}]}`,
		"a text message, as of the default": "text:42[\"a\"]",
	} {
		t.Run(name, func(t *testing.T) {
			before := s.Stats().BadPackets
			c, _ := connectPacked(t, url, "/")
			switch text, isText := strings.CutPrefix(tt, "text:"); {
			case isText:
				c.client.Send(text)
			case strings.HasPrefix(tt, "{"):
				c.Send(tt)
			default:
				c.SendBinary([]byte(tt))
			}
			if code := c.WantClosed(); code != websocket.StatusNormalClosure && code != websocket.StatusNoStatusRcvd {
				t.Errorf("close code %d", code)
			}
			waitFor(t, func() bool { return s.Stats().BadPackets == before+1 })
		})
	}
	// The deepest that JSON may be is taken, and comes back.
	c, _ := connectPacked(t, url, "/")
	c.SendBinary([]byte("\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x01\xa4data\x92\xa1a" + string(level.Dst)))
	data := []byte(c.Read())[1:]
	if p, _, err := decodeMsgpack(data, nil); err != nil || len(p.args) != 2 || string(p.args[1]) != deep {
		t.Errorf("%.100x... came back, %v", data, err)
	}
}

// TestMsgpackIsDetectedOnce: who has begun with text stays with it.
func TestMsgpackIsDetectedOnce(t *testing.T) {
	s, url := newTestServer(t, echo())
	for name, begin := range map[string]func(*client){
		"connected": func(c *client) { c.Join("/", "") },
		"refused":   func(c *client) { c.Send(`40/nowhere,`); c.Want(`44/nowhere,{"message":"Invalid namespace"}`) },
		"left":      func(c *client) { c.Join("/", ""); c.Send("41") },
	} {
		t.Run(name, func(t *testing.T) {
			before := s.Stats().BadPackets
			c := dial(t, url)
			begin(c)
			c.SendBinary(toPacked(t, `{"type":0,"nsp":"/"}`))
			c.WantClosed()
			waitFor(t, func() bool { return s.Stats().BadPackets == before+1 })
		})
	}
}

// TestMsgpackOverPolling: the same with base64 around it.
func TestMsgpackOverPolling(t *testing.T) {
	_, url := newTestServer(t, echo())
	do := func(method, query string, body []byte) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, url+"/socket.io/?EIO=4&transport=polling"+query, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		b.ReadFrom(res.Body)
		return b.String()
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(do("GET", "", nil)[1:]), &open); err != nil {
		t.Fatal(err)
	}
	sid := "&sid=" + open.SID
	post := func(packets ...string) string {
		var body bytes.Buffer
		for i, p := range packets {
			if i > 0 {
				body.WriteByte(0x1e)
			}
			body.WriteString("b" + base64.StdEncoding.EncodeToString(toPacked(t, p)))
		}
		return do("POST", sid, body.Bytes())
	}
	if got := post(`{"type":0,"nsp":"/"}`, `{"type":2,"data":["a"],"id":1,"nsp":"/"}`); got != "ok" {
		t.Fatalf("POST = %q", got)
	}
	var got []string
	for len(got) < 2 {
		for _, p := range strings.Split(do("GET", sid, nil), "\x1e") {
			raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p, "b"))
			if err != nil || p[0] != 'b' {
				t.Fatalf("GET: packet %q, want a binary one", p)
			}
			got = append(got, fromPacked(t, raw))
		}
	}
	if want := `{"type":3,"data":["a"],"id":1,"nsp":"/"}`; len(got) != 2 || got[1] != want {
		t.Errorf("GET = %q, want CONNECT and %s", got, want)
	}
	if got := do("POST", sid, []byte("b"+base64.StdEncoding.EncodeToString([]byte("\xc1")))); got != "ok" {
		t.Errorf("POST of what is no packet = %q, want ok and the end", got)
	}
	if got := do("GET", sid, nil); !strings.Contains(got, "Session ID unknown") && !strings.HasSuffix(got, "1") {
		t.Errorf("GET = %q behind the end", got)
	}
}

func TestMsgpackRecovery(t *testing.T) {
	recoveryHouse(t, recovering(), functions{}, func(s *Server, dial func() *client, send func(int) int) {
		connected := regexp.MustCompile(`^{"type":0,"data":{"sid":"([\w-]{20})","pid":"([\w-]+)"},"nsp":"/"}$`)
		event := regexp.MustCompile(`^{"type":2,"data":\["n",(\d+),"([\w-]{12})"\],"nsp":"/"}$`)
		c := packed{dial()}
		c.Send(`{"type":0,"data":{},"nsp":"/"}`)
		who := connected.FindStringSubmatch(c.next())
		if who == nil {
			t.Fatal("not connected")
		}
		offset := "undefined" // nothing was sent yet
		for round := range 2 {
			c.WS.CloseNow()
			synctest.Wait()
			send(round)
			c = packed{dial()}
			c.Send(fmt.Sprintf(`{"type":0,"data":{"pid":%q,"offset":%q},"nsp":"/"}`, who[2], offset))
			got := event.FindStringSubmatch(c.next())
			if got == nil || got[1] != fmt.Sprint(round) {
				t.Fatalf("round %d: missed %q", round, got)
			}
			offset = got[2]
			if again := connected.FindStringSubmatch(c.next()); again == nil || again[1] != who[1] {
				t.Fatalf("round %d: connected as %q, want as %q", round, again, who)
			}
		}
		send(7)
		if got := event.FindStringSubmatch(c.next()); got == nil || got[1] != "7" {
			t.Errorf("then %q came", got)
		}
		// The log has no translation, which RECOVERY_BYTES would not count.
		p := s.audience("/", hub.Selection{})[0]
		logged, err := p.stay.session.Missed("", 1<<20)
		if err != nil || len(logged) != 3 {
			t.Fatalf("%d messages are logged, %v", len(logged), err)
		}
		for _, m := range logged {
			made := false
			m.Other(func(m *wire.Message) *wire.Message { made = true; return nil })
			if !made {
				t.Error("the log keeps a translation")
			}
		}
		// What it does not read as msgpack any more is the same: another connection may speak the default parser.
		c.WS.CloseNow()
		synctest.Wait()
		send(8)
		plain := dial()
		plain.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, who[2], offset))
		if got := plain.Read(); !strings.HasPrefix(got, `42["n",7,"`) {
			t.Errorf("the default parser gets %q", got)
		}
	})
}

// TestMsgpackIsWrittenOnce: one translation serves all clients of a room that need it, and none is made where nobody does.
func TestMsgpackIsWrittenOnce(t *testing.T) {
	m := encodeMessage(benchMessage())
	var made atomic.Int32
	translate := func(m *wire.Message) *wire.Message { made.Add(1); return toMsgpack(m) }
	first := m.Other(translate)
	for range 100 {
		if m.Other(translate) != first {
			t.Fatal("another one was made")
		}
	}
	if made.Load() != 1 {
		t.Errorf("it was made %d times", made.Load())
	}
	if got := fromPacked(t, first.Parts()[0].Payload()); got != `{"type":2,"data":["e",1],"nsp":"/chat"}` {
		t.Errorf("it is %s", got)
	}
}

// TestMsgpackOfBrokenJSON: a program that emits what is no JSON is told so, and its clients stay.
func TestMsgpackOfBrokenJSON(t *testing.T) {
	s, url := newTestServer(t, echo())
	c, id := connectPacked(t, url, "/")
	p := s.audience("/", hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/", id)}})[0]
	if p.Deliver(&hub.Message{Namespace: "/", Event: "a", Args: []json.RawMessage{json.RawMessage(`{`)}}) {
		t.Error("it is called delivered")
	}
	if err := p.Emit("a", json.RawMessage(`]`)); err == nil {
		t.Error("Emit takes it")
	}
	// What handlers put around an argument of the full depth is no fault.
	deep := strings.Repeat("[", rawjson.MaxDepth) + strings.Repeat("]", rawjson.MaxDepth)
	if err := p.Emit("a", json.RawMessage(`{"message":`+deep+`}`)); err != nil {
		t.Error(err)
	}
	data := []byte(c.Read())[1:]
	if c := (msgpack.Cursor{B: data}); c.Map() != 3 {
		t.Errorf("%.100x came", data)
	}
}

// FuzzMsgpack translates what a client sends there and back.
func FuzzMsgpack(f *testing.F) {
	for _, seed := range []string{
		`{"type":0,"data":{"a":1},"nsp":"/"}`, `{"type":0,"data":"undefined","nsp":"/chat"}`, `{"type":1,"nsp":"/"}`,
		`{"type":2,"data":["a",{"b":[1.5,null,"undefined"]}],"options":{"compress":true},"id":300,"nsp":"/chat"}`,
		`{"type":2,"data":["a",{"_placeholder":true,"num":0}],"nsp":"/"}`, `{"type":3,"data":[],"id":1,"nsp":"/"}`,
	} {
		f.Add(toPacked(f, seed, []byte{1, 2}))
	}
	f.Add([]byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\x01\xd7\x00\x00\x00\x01\x8b\xcf\xe5\x68\x7b\xcf\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, attachments, err := decodeMsgpack(data, nil)
		if err != nil {
			return
		}
		for _, arg := range p.args {
			if !json.Valid(arg) || !utf8.Valid(arg) {
				t.Fatalf("%x: argument %q", data, arg)
			}
		}
		w := wire.NewBuilder(0)
		w.Buf = appendHead(w.Buf, p.kind, len(attachments), string(p.namespace), string(p.id))
		if p.kind == typeEvent || p.kind == typeAck {
			w.Buf = appendArray(w.Buf, p.args)
		} else {
			w.Buf = append(w.Buf, p.payload...)
		}
		m := w.Message(attachments...)
		text, err := decode(m.Parts()[0].Payload()[1:], nil)
		if err != nil || text.attachments != len(attachments) || string(text.namespace) != string(p.namespace) || string(text.id) != string(p.id) {
			t.Fatalf("%x is %q of the default parser: %v", data, m.Parts()[0].Payload(), err)
		}
		out := toMsgpack(m)
		if out == nil {
			t.Fatalf("%q cannot be written", m.Parts()[0].Payload())
		}
		again, same, err := decodeMsgpack(out.Parts()[0].Payload(), nil)
		if err != nil || again.kind != p.kind || string(again.namespace) != string(p.namespace) || string(again.id) != string(p.id) ||
			string(again.payload) != string(p.payload) || string(appendArray(nil, again.args)) != string(appendArray(nil, p.args)) || len(same) != len(attachments) {
			t.Fatalf("%x became %q, and again %+v: %v", data, m.Parts()[0].Payload(), again, err)
		}
	})
}
