package adminui

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"signalbox/server/app"
	"signalbox/server/cluster/format"
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "changeit"

// hash is that of password.
var hash = func() string {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return string(h)
}()

func options(h *hub.Hub) Options {
	return Options{
		User: "admin", Hash: hash, Hub: h, Nodes: hub.Alone, Development: true,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// started returns a namespace on a server with these namespaces; the caller ends it.
func started(o Options, c socketio.Cluster, namespaces ...string) (*Admin, *fakeDoor) {
	a := New(o)
	if a.Watches() {
		o.Hub.Watcher = a
	}
	d := &fakeDoor{namespaces: append(namespaces, Namespace), cluster: c}
	a.Start(d, func() engine.Stats { d.read++; return engine.Stats{} })
	return a, d
}

// fakeDoor is a server that notes what it is asked to do.
type fakeDoor struct {
	namespaces []string
	cluster    socketio.Cluster
	done       []string
	read       int // how often figures were read
}

func (d *fakeDoor) Namespaces() []string              { return d.namespaces }
func (d *fakeDoor) Cluster() (socketio.Cluster, bool) { return d.cluster, d.cluster != nil }
func (d *fakeDoor) JoinHere(namespace string, sel hub.Selection, rooms []string) {
	d.done = append(d.done, fmt.Sprintf("join %s %q %q", namespace, sel.Rooms, rooms))
}

func (d *fakeDoor) LeaveHere(namespace string, sel hub.Selection, rooms []string) {
	d.done = append(d.done, fmt.Sprintf("leave %s %q %q", namespace, sel.Rooms, rooms))
}

func (d *fakeDoor) DisconnectHere(namespace string, sel hub.Selection, closeConnection bool) {
	d.done = append(d.done, fmt.Sprintf("disconnect %s %q %v", namespace, sel.Rooms, closeConnection))
}

// client is a client of a namespace, which notes what it is sent.
type client struct {
	hub       *hub.Hub
	namespace string
	member    *hub.Member
	deferred  int

	mu  sync.Mutex
	got []string // guarded by mu: events with their arguments
}

var _ socketio.Watched = (*client)(nil)

// enter returns a client that is connected.
func enter(h *hub.Hub, namespace, id string) *client {
	c := &client{hub: h, namespace: namespace}
	c.member = hub.NewMember(id, c)
	h.Enter(c.member, hub.SocketRoom(namespace, id), hub.EverybodyRoom(namespace))
	h.Show(c.member)
	return c
}

func (c *client) leave()                           { c.hub.Remove(c.member) }
func (c *client) ID() string                       { return c.member.ID() }
func (c *client) Namespace() string                { return c.namespace }
func (c *client) Member() *hub.Member              { return c.member }
func (c *client) Transport() string                { return "websocket" }
func (c *client) Ending() string                   { return "transport close" }
func (c *client) Disconnect(bool)                  {}
func (c *client) Closed() bool                     { return false }
func (c *client) DeferDelivery()                   { c.deferred++ }
func (c *client) ResumeDelivery(func(string) bool) { c.deferred-- }

func (c *client) Describe() format.Socket {
	return format.Socket{
		ID:        c.ID(),
		Handshake: json.RawMessage(`{"address":"127.0.0.1","issued":1700000000000,"headers":{"user-agent":"test","accept":"*/*"},"query":{"EIO":"4"},"time":"now","url":"/socket.io/?EIO=4"}`),
		Data:      json.RawMessage(`{"_admin":{"clientId":"123456789012","transport":"websocket"},"k":1}`),
	}
}

func (c *client) Emit(event string, args ...any) error {
	raw := make([]json.RawMessage, len(args))
	for i, arg := range args {
		raw[i], _ = rawjson.Marshal(arg)
	}
	c.note(event, raw)
	return nil
}

func (c *client) Deliver(m *hub.Message) bool {
	c.note(m.Event, m.Args)
	return true
}

func (c *client) note(event string, args []json.RawMessage) {
	text, _ := json.Marshal(args)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, event+" "+string(text))
}

// take returns what has come since the last call.
func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

func handshakeOf(auth, addr string) app.Handshake {
	return app.Handshake{Auth: json.RawMessage(auth), RemoteAddr: addr, Time: time.Now()}
}
