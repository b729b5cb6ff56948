package socketio

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
)

// TestHandlerMayEndTheConnectionInClose: no lock of the library is held while a handler hears that its client has left.
func TestHandlerMayEndTheConnectionInClose(t *testing.T) {
	peers, closed := make(chan app.Peer, 1), make(chan string, 1)
	_, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error { peers <- p; return nil },
		closed:  func(p app.Peer, reason string) { p.Disconnect(true); closed <- reason },
	}})
	c, _ := connect(t, url, "/")
	go receive(t, peers).Disconnect(false) // returns when the handler has heard of it
	if got := receive(t, closed); got != "server namespace disconnect" {
		t.Errorf("closed with %q", got)
	}
	c.want("41")
	c.wantClosed()
}

// TestLibraryListenersMissNothing: an event that comes right behind CONNECT waits for the listeners that the program
// registers when it hears of the socket.
func TestLibraryListenersMissNothing(t *testing.T) {
	s, url := newTestServer(t, nil)
	const clients = 20
	heard := make(chan any, clients)
	nsp := s.Library().Of("/lib", nil)
	err := nsp.On("connection", func(args ...any) {
		sock := args[0].(*sio.Socket)
		for s.Stats().EventsIn == 0 { // the first event is there, and has nobody yet
			runtime.Gosched()
		}
		_ = sock.On("early", func(args ...any) { heard <- args[0] })
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		c, _ := connect(t, url, "/lib")
		c.send(fmt.Sprintf(`42/lib,["early",%d]`, i))
		if got := receive(t, heard); got != float64(i) {
			t.Fatalf("heard %v, want %d", got, i)
		}
	}
}

// TestConnectAgainAtOnce: a client that was refused or disconnected may ask again as soon as it knows.
func TestConnectAgainAtOnce(t *testing.T) {
	const rounds = 300
	t.Run("refused", func(t *testing.T) {
		_, url := newTestServer(t, map[string]app.Handler{"/": functions{
			connect: func(app.Peer, app.Handshake) error { return errors.New("no") },
		}})
		c := dial(t, url)
		for range rounds {
			c.send("40")
			c.want(`44{"message":"no"}`)
		}
	})
	t.Run("disconnected", func(t *testing.T) {
		s, url := newTestServer(t, map[string]app.Handler{"/": functions{}})
		c := dial(t, url)
		for range rounds {
			sid := c.join("/")
			p := s.namespace("/").peer(sid)
			waitFor(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.settled })
			go p.Disconnect(false) // returns before the server ends
			c.want("41")
		}
	})
}

// TestLibraryArgumentsThatCannotBeRead: the listeners of the library get Go values; what has none is not lost in silence.
func TestLibraryArgumentsThatCannotBeRead(t *testing.T) {
	s, _, url, sockets := newLibraryServer(t)
	c, _ := connect(t, url, "/lib")
	receive(t, sockets)
	c.send(`42/lib,["n",1e999]`)
	c.wantClosed()
	if got := s.Stats().BadPackets; got != 1 {
		t.Errorf("%d bad packets were counted, want 1", got)
	}
}

// The library keeps what a CONNECT brings as long as the client stays, decoded and so many times its size. A handler has
// had it by then.
func TestConnectPayloadIsNotKept(t *testing.T) {
	got := make(chan string, 1)
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{connect: func(_ app.Peer, hs app.Handshake) error {
		got <- string(hs.Auth)
		return nil
	}}})
	payload := `{"token":"t","pad":[` + strings.Repeat("{},", 1000) + `{}]}`
	c := dial(t, url)
	c.send("40" + payload)
	if auth := receive(t, got); auth != payload {
		t.Errorf("the handler got %.60s", auth)
	}
	if answer := c.read(); !strings.HasPrefix(answer, "40") {
		t.Fatalf("answer = %.60q", answer)
	}
	for _, p := range s.namespace("/").all() {
		if auth, _ := p.socket().Handshake().Auth.(map[string]any); len(auth) != 0 {
			t.Errorf("the library keeps %d members", len(auth))
		}
	}
}
