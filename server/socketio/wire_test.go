package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// The tests in this file are named after the rules of the protocol that they hold, as docs/protocol.md numbers them.

func TestProtocolViolationsCloseTheSenderOnly(t *testing.T) {
	s, url := newTestServer(t, echo())
	other, _ := connect(t, url, "/")
	for name, packets := range map[string][]string{
		"1 a second CONNECT":                   {"40", "40"},
		"2 an EVENT before CONNECT":            {`42["a"]`},
		"2 an ACK before CONNECT":              {`431[]`},
		"3 an unknown packet type":             {"40", "4x"},
		"3 an empty packet":                    {"40", "4"},
		"7 an EVENT without payload":           {"40", "42"},
		"7 an EVENT with an id, no payload":    {"40", "421"},
		"7 a DISCONNECT nobody connected":      {"41/chat,"},
		"8 garbage behind the payload":         {"40", `42["a"]x`},
		"9 eleven attachments":                 {"40", `4511-["a"]`},
		"9 no attachments":                     {"40", `450-["a"]`},
		"9 no attachments of an ack":           {"40", `460-1["a"]`},
		"9 text where an attachment is due":    {"40", `451-["a",{"_placeholder":true,"num":0}]`, `42["b"]`},
		"10 a reserved event":                  {"40", `42["disconnect"]`},
		"11 CONNECT with an array":             {"40[]"},
		"11 CONNECT with a string":             {`40"token"`},
		"a connect error from a client":        {"40", `44{"message":"x"}`},
		"an event for an unconnected namspace": {"40", `42/other,["a"]`},
	} {
		c := dial(t, url)
		c.Send(packets...)
		// Rule 5: a protocol violation ends with a close frame, and the client sees 1005.
		if code := c.WantClosed(); code != websocket.StatusNoStatusRcvd {
			t.Errorf("%s: close code %d, want 1005", name, code)
		}
		other.Send(`421["still",1]`)
		other.Want(`431["still",1]`)
	}
	if s.Stats().BadPackets == 0 {
		t.Error("bad packets were not counted")
	}
}

func TestBinaryPlaceholdersOutOfRangeClose_9(t *testing.T) {
	_, url := newTestServer(t, echo())
	for name, arg := range map[string]string{
		"negative": `{"_placeholder":true,"num":-1}`, "out of range": `{"_placeholder":true,"num":1}`, "a string": `{"_placeholder":true,"num":"0"}`,
	} {
		c, _ := connect(t, url, "/")
		c.Send(`451-["a",` + arg + `]`)
		c.SendBinary([]byte{1})
		if code := c.WantClosed(); code != websocket.StatusNoStatusRcvd {
			t.Errorf("%s: close code %d, want 1005", name, code)
		}
	}
	c, _ := connect(t, url, "/")
	c.SendBinary([]byte{1})
	c.WantClosed() // an attachment nobody announced
}

func TestAckIDBeyond64BitsIsAnswered_12(t *testing.T) {
	_, url := newTestServer(t, echo())
	c, _ := connect(t, url, "/")
	c.Send(`42123456789012345678901234567890["a"]`, `431267650600228229401496703205376["unknown"]`, `425["b"]`)
	c.Want(`43123456789012345678901234567890["a"]`, `435["b"]`)
}

func TestHandshakeValues_26(t *testing.T) {
	got := make(chan app.Handshake, 2)
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{connect: func(_ app.Peer, hs app.Handshake) error {
		got <- hs
		return nil
	}}})
	connect(t, url, "/")
	hs := receive(t, got)
	if string(hs.Auth) != "{}" || hs.Query("EIO") != "4" || hs.Query("none") != "" || !strings.HasPrefix(hs.Header("Host"), "127.0.0.1:") {
		t.Errorf("handshake: auth %s, EIO %q, host %q", hs.Auth, hs.Query("EIO"), hs.Header("host"))
	}
	c := dial(t, url)
	c.Send(`40{"token":"x", "n":1.0}`)
	c.Read()
	if hs := receive(t, got); string(hs.Auth) != `{"token":"x", "n":1.0}` {
		t.Errorf("auth = %s, want it as it came", hs.Auth)
	}
}

func TestConnectErrors_27_29(t *testing.T) {
	s, url := newTestServer(t, map[string]app.Handler{
		"/plain": functions{connect: func(app.Peer, app.Handshake) error { return errors.New("nope") }},
		"/data": functions{connect: func(app.Peer, app.Handshake) error {
			return &app.ConnectError{Message: "nope", Data: map[string]any{"code": 7}}
		}},
		"/panic": functions{connect: func(app.Peer, app.Handshake) error { panic("connect") }},
		"/":      functions{},
	})
	c := dial(t, url)
	c.Send("40/plain,")
	c.Want(`44/plain,{"message":"nope"}`)
	c.Send("40/data,")
	c.Want(`44/data,{"data":{"code":7},"message":"nope"}`)
	c.Send("40/nowhere,")
	c.Want(`44/nowhere,{"message":"Invalid namespace"}`)
	c.Send("40/panic,")
	c.Want(`44/panic,{"message":"a handler panicked"}`)
	c.Send("40/plain,") // a refused namespace may be asked for again
	c.Want(`44/plain,{"message":"nope"}`)
	c.Join("/", "")
	if st := s.Stats(); st.Sockets != 1 || st.Panics != 1 {
		t.Errorf("sockets %d, panics %d; want 1 and 1", st.Sockets, st.Panics)
	}
}

func TestSlowMiddlewareAndAClientThatLeaves_28(t *testing.T) {
	enter, goOn := make(chan bool), make(chan bool)
	closed := make(chan string, 1)
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error {
			enter <- true
			<-goOn
			return nil
		},
		closed: func(_ app.Peer, reason string) { closed <- reason },
	}})
	c := dial(t, url)
	c.Send("40")
	receive(t, enter)
	c.WS.CloseNow()
	goOn <- true
	receive(t, closed)
	waitFor(t, func() bool {
		st := s.Stats()
		return st.Sockets == 0 && st.Connections == 0
	})
}

func TestDisconnectOfOneNamespace_30(t *testing.T) {
	peers := make(chan app.Peer, 4)
	closed := make(chan string, 4)
	_, url := newTestServer(t, map[string]app.Handler{
		"/": functions{},
		"/a": functions{
			connect: func(p app.Peer, _ app.Handshake) error { peers <- p; return nil },
			closed:  func(_ app.Peer, reason string) { closed <- reason },
		},
	})
	c, _ := connect(t, url, "/")
	c.Join("/a", "")
	receive(t, peers).Disconnect(false)
	c.Want("41/a,")
	if reason := receive(t, closed); reason != "server namespace disconnect" {
		t.Errorf("reason = %q", reason)
	}
	c.Send(`42/a,["too late"]`, `421["stays"]`) // what was under way is ignored; the connection stays
	c.Want(`431["stays"]`)
	c.Join("/a", "") // and CONNECT works again
	c.Send("41/a,")
	if reason := receive(t, closed); reason != "client namespace disconnect" {
		t.Errorf("reason = %q", reason)
	}
	c.Join("/a", "") // at once
	<-peers
	p := receive(t, peers)
	if err := p.Emit("last", 1); err != nil {
		t.Error(err)
	}
	p.Disconnect(true)
	// Rule 31: what was emitted just before is delivered.
	c.Want(`42/a,["last",1]`)
	got := map[string]bool{c.Read(): true, c.Read(): true}
	if !got["41"] || !got["41/a,"] {
		t.Errorf("disconnects = %v, want one for each namespace", got)
	}
	if code := c.WantClosed(); code != websocket.StatusNoStatusRcvd {
		t.Errorf("close code %d, want 1005", code)
	}
}

// Rule 33, and the reason why events do not go through the library: it starts a goroutine for each.
func TestEventsOfOneClientStayInOrder_33(t *testing.T) {
	const events = 5000
	var got []string
	done := make(chan bool)
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{event: func(_ app.Peer, e *app.Event) {
		got = append(got, string(e.Args[0]))
		if len(got) == events {
			close(done)
		}
	}}})
	c, _ := connect(t, url, "/")
	for i := range events {
		c.Send(fmt.Sprintf(`42["n",%d]`, i))
	}
	receive(t, done)
	for i := range got {
		if got[i] != fmt.Sprint(i) {
			t.Fatalf("event %d was handled as number %d", i, i)
		}
	}
}

// A fast client sends right behind its CONNECT, and again the moment it is told that it is connected. What it sends to
// itself then has to reach it, every time.
func TestNothingIsLostRightAfterConnect(t *testing.T) {
	h := hub.New()
	room := hub.Room{Kind: hub.KindUser, Name: "me"}
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{event: func(p app.Peer, e *app.Event) {
		h.Join(p.Member(), room)
		h.Send(room, &hub.Message{Namespace: "/", Event: e.Name, Args: e.Args})
		h.Leave(p.Member(), room)
	}}}, func(c *Config) { c.Hub = h })
	for range 100 {
		c, _ := connect(t, url, "/")
		c.Send(`42["self",1]`)
		c.Want(`42["self",1]`)
		c.WS.CloseNow()
	}
}

func TestMessagesBeforeConnectWait(t *testing.T) {
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{connect: func(p app.Peer, _ app.Handshake) error {
		p.Member().Deliver(&hub.Message{Namespace: "/", Event: "first"})
		return p.Emit("second", json.RawMessage(`1.0`))
	}}})
	c, _ := connect(t, url, "/")
	c.Want(`42["first"]`, `42["second",1.0]`)
}

func TestBinaryBothWays_32(t *testing.T) {
	h := hub.New()
	room := hub.Room{Kind: hub.KindUser, Name: "all"}
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error { h.Join(p.Member(), room); return nil },
		event: func(p app.Peer, e *app.Event) {
			h.Send(room, &hub.Message{Namespace: "/", Event: e.Name, Args: e.Args, Attachments: e.Attachments})
			e.Ack.Send("x", []byte{9}, map[string]any{"b": []byte{8}})
		},
	}}, func(c *Config) { c.Hub = h })
	c, _ := connect(t, url, "/")
	c.Send(`452-7["bin",{"a":{"_placeholder":true,"num":0}},1,{"_placeholder":true,"num":1}]`)
	c.SendBinary([]byte("one"))
	c.SendBinary([]byte{})
	c.Want(`452-["bin",{"a":{"_placeholder":true,"num":0}},1,{"_placeholder":true,"num":1}]`, "bone", "b",
		`462-7["x",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]`, "b\x09", "b\x08")
}

// An answer that nobody waits for, or that says nothing, is no violation: Node's server ignores it.
func TestAnswersThatSayNothing_7(t *testing.T) {
	_, url := newTestServer(t, echo())
	c, _ := connect(t, url, "/")
	c.Send("43", "431", "43[]", `43["x"]`, `437["nobody asked"]`, "461-")
	c.SendBinary([]byte{1})
	c.Send(`421["still",1]`)
	c.Want(`431["still",1]`)
}

// TestRawArgumentsKeepTheirAttachments_32: what came with attachments can be answered and emitted as it came.
func TestRawArgumentsKeepTheirAttachments_32(t *testing.T) {
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{
		event: func(p app.Peer, e *app.Event) {
			raw := app.Raw{JSON: e.Args[0], Attachments: e.Attachments}
			e.Ack.Send(raw)
			if err := p.Emit("again", []byte{9}, raw, json.RawMessage(`1.0`)); err != nil {
				t.Error(err)
			}
		},
	}})
	c, _ := connect(t, url, "/")
	c.Send(`452-7["bin",{"a": {"_placeholder":true,"num":0},"b":[{"num":1,"_placeholder":true}]}]`)
	c.SendBinary([]byte("one"))
	c.SendBinary([]byte("two"))
	c.Want(`462-7[{"a": {"_placeholder":true,"num":0},"b":[{"num":1,"_placeholder":true}]}]`, "bone", "btwo")
	c.Want(`453-["again",{"_placeholder":true,"num":0},{"a": {"_placeholder":true,"num":1},"b":[{"_placeholder":true,"num":2}]},1.0]`,
		"b\x09", "bone", "btwo")
}

func TestPanicCostsItsOwnConnection(t *testing.T) {
	closed := make(chan string, 1)
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{
		event: func(_ app.Peer, e *app.Event) {
			if e.Name == "boom" {
				panic("boom")
			}
			e.Ack.Send()
		},
		closed: func(_ app.Peer, reason string) { closed <- reason },
	}})
	bad, _ := connect(t, url, "/")
	good, _ := connect(t, url, "/")
	bad.Send(`42["boom"]`)
	bad.WantClosed()
	receive(t, closed)
	good.Send(`421["fine"]`)
	good.Want(`431[]`)
	if st := s.Stats(); st.Panics != 1 {
		t.Errorf("panics = %d, want 1", st.Panics)
	}
}

func TestSlowHandlerSlowsItsOwnClientOnly(t *testing.T) {
	goOn := make(chan bool)
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{event: func(_ app.Peer, e *app.Event) {
		if e.Name == "slow" {
			<-goOn
		}
		e.Ack.Send(e.Name)
	}}})
	slow, _ := connect(t, url, "/")
	fast, _ := connect(t, url, "/")
	slow.Send(`421["slow"]`, `422["next"]`)
	fast.Send(`421["fast"]`)
	fast.Want(`431["fast"]`)
	close(goOn)
	slow.Want(`431["slow"]`, `432["next"]`)
}

// A handler may end its own client from inside an event; it is told that the client left after it has returned.
func TestDisconnectFromInsideAnEvent(t *testing.T) {
	var inside bool
	closed := make(chan bool, 1)
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{
		event: func(p app.Peer, e *app.Event) {
			inside = true
			p.Disconnect(false)
			if !p.Closed() {
				t.Error("the peer is not closed after Disconnect")
			}
			inside = false
		},
		closed: func(app.Peer, string) { closed <- inside },
	}})
	c, _ := connect(t, url, "/")
	c.Send(`42["bye"]`)
	c.Want("41")
	if receive(t, closed) {
		t.Error("Close was called while the event was being handled")
	}
}

func TestTooManyNamespaces(t *testing.T) {
	handlers := map[string]app.Handler{}
	for i := range 4 {
		handlers[fmt.Sprintf("/%d", i)] = functions{}
	}
	s, url := newTestServer(t, handlers, func(c *Config) { c.MaxNamespaces = 2 })
	c := dial(t, url)
	c.Join("/0", "")
	c.Join("/1", "")
	c.Send("40/2,")
	c.Want(`44/2,{"message":"Too many namespaces"}`)
	c.Send("41/0,")
	c.Join("/3", "")
	if s.Stats().NamespacesRefused != 1 {
		t.Error("the refusal was not counted")
	}
}

func TestThrottleSlowsAFloodAndLosesNothing(t *testing.T) {
	s, url := newTestServer(t, echo(), func(c *Config) { c.MaxEventsPerSecond = 100 })
	c, _ := connect(t, url, "/")
	for i := range 300 { // within a second, on any machine
		c.Send(fmt.Sprintf(`42%d["n"]`, i))
	}
	for i := range 300 {
		c.Want(fmt.Sprintf(`43%d["n"]`, i))
	}
	if s.Stats().Throttled == 0 {
		t.Error("nothing was throttled")
	}
}

// waitFor waits until a condition holds that nothing announces.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the condition never held")
		}
	}
}

func TestWire6_NoNamespaceInTime(t *testing.T) {
	_, url := newTestServer(t, echo(), func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
	idle := dial(t, url)
	stays, _ := connect(t, url, "/")
	idle.WantClosed()
	stays.Send(`421["fine"]`)
	stays.Want(`431["fine"]`)
}

func TestRelayedBytes_42(t *testing.T) {
	h := hub.New()
	room := hub.Room{Kind: hub.KindUser, Name: "all"}
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error { h.Join(p.Member(), room); return nil },
		event: func(p app.Peer, e *app.Event) {
			h.Send(room, &hub.Message{Namespace: "/", Event: e.Name, RawEvent: e.RawName, Args: e.Args})
			if err := p.Emit("own", map[string]string{"html": "<a href='x'>&</a>"}); err != nil {
				t.Error(err)
			}
		},
	}}, func(c *Config) { c.Hub = h })
	c, _ := connect(t, url, "/")
	for _, packet := range []string{
		`42["e",{"b":1.0,"a":1e2,"z":"<>&","n":12345678901234567890,"é":"\u00e9","s":"\/"}]`,
		`42["\u0065v",[ 1 , {"x" : null} ]]`,
		`42[7,-0]`,
	} {
		c.Send(packet)
		c.Want(packet, `42["own",{"html":"<a href='x'>&</a>"}]`)
	}
}

// turnstile lets in who has a token.
type turnstile struct{ inner app.Handler }

func (g turnstile) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	if string(hs.Auth) != `{"token":"good"}` {
		return nil, errors.New("no")
	}
	return g.inner.Connect(p, hs)
}

// selfGuarding sees to tokens itself.
type selfGuarding struct{ functions }

func (selfGuarding) SelfGuarding() {}

// A guard stands before every handler but those that say they see to tokens themselves.
func TestGuard(t *testing.T) {
	_, url := newTestServer(t, map[string]app.Handler{"/new": functions{}, "/own": selfGuarding{}}, func(c *Config) {
		c.Guard = func(h app.Handler) app.Handler { return turnstile{h} }
	})
	c := dial(t, url)
	c.Send("40/new,")
	c.Want(`44/new,{"message":"no"}`)
	c.Join("/own", "")
	c.Send(`40/new,{"token":"good"}`)
	if got := c.Read(); !strings.HasPrefix(got, `40/new,{"sid":`) {
		t.Errorf("with a token: %s", got)
	}
}

// A client that leaves its last namespace has as long as at the beginning to join another one.
func TestConnectionWithoutANamespaceEnds(t *testing.T) {
	_, url := newTestServer(t, echo(), func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
	c, _ := connect(t, url, "/")
	c.Send("41")
	c.WantClosed()
}
