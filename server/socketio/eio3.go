package socketio

import (
	"time"

	"signalbox/server/engine/eio3"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// This file is what clients of Engine.IO 3 do otherwise, see package eio3. They are never recovered, having no secret id.

// connectRoot lets such a client into /, for which it does not ask.
func (c *conn) connectRoot() {
	payload := eio3.RootAuth(c.session.Request().Query()["token"])
	if err := c.refuse(c.handle(&packet{kind: typeConnect, namespace: rootNamespace, payload: payload}, nil, nil)); err != nil {
		c.end()
	}
}

// authOf gives a CONNECT the payload that is in the query of its namespace.
func (p *packet) authOf(query []byte) error {
	if p.kind != typeConnect {
		return nil
	}
	var ok bool
	if p.payload, ok = eio3.Auth(query); !ok {
		return errTooLong
	}
	return nil
}

// formerPatience is how long such a client waits at a time until its former stay is over.
const formerPatience = 5 * time.Millisecond

// awaitFormer returns when a former stay of such a client in a namespace is over, which had the same id. It reports whether the
// client is still there.
func (c *conn) awaitFormer(namespace string) bool {
	room := hub.SocketRoom(namespace, eio3.SocketID(namespace, c.session.ID()))
	for len(c.server.hub.Members(room)) > 0 {
		if !c.session.Pause(formerPatience) {
			return false
		}
	}
	return true
}

// connectPacket tells the client that it is connected: such a one makes its id up itself.
func (p *peer) connectPacket() *wire.Message {
	if !p.conn().eio3 {
		return connectPacket(p.name, p.ID(), p.stay.pid())
	}
	w := wire.NewBuilder(len(p.name) + 4)
	w.Buf = appendHead(w.Buf, typeConnect, 0, p.name, "")
	return w.Message()
}

// connectError3 is connectError for such a client.
func connectError3(namespace, message string, data any) (*wire.Message, error) {
	raw, err := marshal(data)
	if err != nil {
		return nil, err
	}
	w := wire.NewBuilder(64)
	w.Buf = appendHead(w.Buf, typeConnectError, 0, namespace, "")
	w.Buf = eio3.AppendError(w.Buf, message, raw)
	return w.Message(), nil
}
