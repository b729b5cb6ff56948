package library

import (
	"testing"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// What a client is told, what the handler and what the library call it are one id, of the length that Node's adapters rely
// on.
func TestSocketIDs(t *testing.T) {
	peers := make(chan app.Peer, 1)
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{connect: func(p app.Peer, _ app.Handshake) error {
		peers <- p
		return nil
	}}})
	sockets := make(chan *sio.Socket, 1)
	_ = s.Library().Of("/lib", nil).On("connection", func(args ...any) { sockets <- args[0].(*sio.Socket) })
	c, sid := connect(t, url, "/")
	if p := receive(t, peers); p.ID() != sid || len(sid) != hub.SocketIDLength {
		t.Errorf("the handler knows %s as %s", sid, p.ID())
	}
	other := c.Join("/lib", "")
	if sock := receive(t, sockets); string(sock.Id()) != other || len(other) != hub.SocketIDLength || other == sid {
		t.Errorf("the library knows %s as %s", other, sock.Id())
	}
}
