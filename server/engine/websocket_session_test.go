package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

func TestWebSocketEcho(t *testing.T) {
	a := newApp().echo()
	s := start(t, conn.Config{}, a)
	c := s.connect(t)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 900_000} {
		message := "4" + string(bytes.Repeat([]byte("x"), size))
		testkit.Write(t, c, message)
		if got := testkit.Read(t, c); got != message {
			t.Fatalf("echo of %d bytes is %d bytes", len(message), len(got))
		}
		if err := c.Write(context.Background(), websocket.MessageBinary, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if got := testkit.Read(t, c); got != message {
			t.Fatalf("binary echo of %d bytes is %d bytes", len(message), len(got))
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close handshake: %v", err)
	}
	a.mustClose(t, conn.ReasonTransportClose)
}

func TestWire33_WebSocketOrder(t *testing.T) {
	const n = 2000
	got := make(chan string, n)
	a := newApp()
	a.text = func(_ *Session, data []byte) error { got <- string(data); return nil }
	s := start(t, conn.Config{}, a)
	c := s.connect(t)
	for i := range n {
		testkit.Write(t, c, fmt.Sprint("4", i))
	}
	for i := range n {
		if data := testkit.Receive(t, got, "message"); data != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, data)
		}
	}
}

func TestWire34_WebSocketBurst(t *testing.T) {
	const n, senders = 5000, 4
	a := newApp()
	s := start(t, conn.Config{OutboxBytes: 64 * (1 << 20)}, a)
	c := s.connect(t)
	session := a.next(t)
	go together(senders, func(sender int) {
		for i := range n {
			session.Send(wire.Text(fmt.Appendf(nil, "4%d %d", sender, i)))
		}
	})
	var next [senders]int
	for range n * senders {
		var sender, i int
		got := testkit.Read(t, c)
		if _, err := fmt.Sscanf(got, "4%d %d", &sender, &i); err != nil || i != next[sender] {
			t.Fatalf("message %q, want number %d", got, next[sender])
		}
		next[sender]++
	}
}

func TestCloseFlushesFirst(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{}, a)
	c := s.connect(t)
	session := a.next(t)
	for i := range 100 {
		session.Send(wire.Text(fmt.Appendf(nil, "4%d", i)))
	}
	session.Close(conn.ReasonForcedClose)
	if err := session.Send(wire.Text([]byte("4late"))); err != conn.ErrClosed {
		t.Errorf("Send() after Close = %v, want %v", err, conn.ErrClosed)
	}
	for i := range 100 {
		if got := testkit.Read(t, c); got != fmt.Sprint("4", i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
	if code := testkit.ReadUntilClosed(t, c); code != int(websocket.StatusNoStatusRcvd) {
		t.Errorf("close code %d, want none", code)
	}
	a.mustClose(t, conn.ReasonForcedClose)
}

// TestTextOnlyClient is one with the option forceBase64: bytes travel as text both ways, on every transport.
func TestTextOnlyClient(t *testing.T) {
	a := newApp().echo()
	event := wire.NewBuilder(0)
	event.Buf = append(event.Buf, `451-["photo",{"_placeholder":true,"num":0}]`...)
	photo := event.Message([]byte{1, 2, 3, 4})
	want := [2]string{`451-["photo",{"_placeholder":true,"num":0}]`, "bAQIDBA=="}
	s := start(t, conn.Config{}, a)
	fromServer := func(t *testing.T, c *websocket.Conn, session *Session) {
		t.Helper()
		for _, send := range []func(*wire.Message) error{session.Send, session.Reply} {
			if err := send(photo); err != nil {
				t.Fatal(err)
			}
			if got := [2]string{testkit.Read(t, c), testkit.Read(t, c)}; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	t.Run("websocket", func(t *testing.T) {
		c := s.dial(t, "EIO=4&transport=websocket&b64=1")
		testkit.Read(t, c)
		fromServer(t, c, a.next(t))
		testkit.Write(t, c, "bAQIDBA==")
		if got := testkit.Read(t, c); got != "bAQIDBA==" {
			t.Errorf("echo is %q", got)
		}
		testkit.Write(t, c, "b%")
		if code := testkit.ReadUntilClosed(t, c); code != int(websocket.StatusNoStatusRcvd) {
			t.Errorf("close code %d after bytes that are no base64", code)
		}
	})
	t.Run("without b64", func(t *testing.T) {
		c := s.connect(t)
		a.next(t)
		testkit.Write(t, c, "bAQIDBA==")
		kind, got, err := c.Read(t.Context())
		if kind != websocket.MessageBinary || string(got) != "\x01\x02\x03\x04" || err != nil {
			t.Errorf("echo is %v %q, %v", kind, got, err)
		}
	})
	t.Run("upgraded", func(t *testing.T) {
		p := s.poller(t)
		session := a.next(t)
		c := s.dial(t, "EIO=4&transport=websocket&b64=1&sid="+p.sid)
		testkit.Write(t, c, "2probe")
		testkit.Read(t, c)
		testkit.Write(t, c, "5")
		testkit.Until(t, "upgrade", session.Upgraded)
		fromServer(t, c, session)
	})
}

// TestSubprotocols: a client that offers some fails where none is taken.
func TestSubprotocols(t *testing.T) {
	s := start(t, conn.Config{}, newApp())
	url := s.url("EIO=4&transport=websocket")
	for offer, want := range map[string]string{"first, second": "first", "only": "only", " , x": "", `b"d`: "", "": ""} {
		req, _ := http.NewRequest("GET", url, nil)
		for i, h := 0, testkit.UpgradeHeader(); i < len(h); i += 2 {
			req.Header.Set(h[i], h[i+1])
		}
		if offer != "" {
			req.Header.Set("Sec-WebSocket-Protocol", offer)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Sec-WebSocket-Protocol"); res.StatusCode != 101 || got != want {
			t.Errorf("offered %q: %d %q, want %q", offer, res.StatusCode, got, want)
		}
	}
}
