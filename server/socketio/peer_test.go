package socketio

import (
	"errors"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
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
	c.Want("41")
	c.WantClosed()
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
			c.Send("40")
			c.Want(`44{"message":"no"}`)
		}
	})
	t.Run("disconnected", func(t *testing.T) {
		s, url := newTestServer(t, map[string]app.Handler{"/": functions{}})
		c := dial(t, url)
		for range rounds {
			sid := c.Join("/", "")
			go s.DisconnectHere("/", hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/", sid)}}, false)
			c.Want("41")
		}
	})
}
