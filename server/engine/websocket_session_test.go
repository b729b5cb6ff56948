package engine

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/coder/websocket"
	"signalbox/server/wire"
)

func TestWebSocketEcho(t *testing.T) {
	a := newApp().echo()
	s := start(t, Config{}, a)
	c := s.connect(t)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 900_000} {
		message := "4" + string(bytes.Repeat([]byte("x"), size))
		write(t, c, message)
		if got := read(t, c); got != message {
			t.Fatalf("echo of %d bytes is %d bytes", len(message), len(got))
		}
		if err := c.Write(context.Background(), websocket.MessageBinary, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, c); got != message {
			t.Fatalf("binary echo of %d bytes is %d bytes", len(message), len(got))
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close handshake: %v", err)
	}
	a.mustClose(t, ReasonTransportClose)
}

func TestWire33_WebSocketOrder(t *testing.T) {
	const n = 2000
	got := make(chan string, n)
	a := newApp()
	a.text = func(_ *Session, data []byte) error { got <- string(data); return nil }
	s := start(t, Config{}, a)
	c := s.connect(t)
	for i := range n {
		write(t, c, fmt.Sprint("4", i))
	}
	for i := range n {
		if data := receive(t, got, "message"); data != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, data)
		}
	}
}

func TestWire34_WebSocketBurst(t *testing.T) {
	const n, senders = 5000, 4
	a := newApp()
	s := start(t, Config{OutboxBytes: 64 * miB}, a)
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
		got := read(t, c)
		if _, err := fmt.Sscanf(got, "4%d %d", &sender, &i); err != nil || i != next[sender] {
			t.Fatalf("message %q, want number %d", got, next[sender])
		}
		next[sender]++
	}
}

func TestCloseFlushesFirst(t *testing.T) {
	a := newApp()
	s := start(t, Config{}, a)
	c := s.connect(t)
	session := a.next(t)
	for i := range 100 {
		session.Send(wire.Text(fmt.Appendf(nil, "4%d", i)))
	}
	session.Close(ReasonForcedClose)
	if err := session.Send(wire.Text([]byte("4late"))); err != ErrClosed {
		t.Errorf("Send() after Close = %v, want %v", err, ErrClosed)
	}
	for i := range 100 {
		if got := read(t, c); got != fmt.Sprint("4", i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
	if code := readUntilClosed(t, c); code != int(websocket.StatusNoStatusRcvd) {
		t.Errorf("close code %d, want none", code)
	}
	a.mustClose(t, ReasonForcedClose)
}
