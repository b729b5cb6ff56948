package adminui

import (
	"encoding/json"
	"slices"
	"strings"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/socketio"
)

// page is one client that has signed in.
type page struct {
	admin *Admin
	peer  app.Peer
}

// Close implements [app.Session].
func (p *page) Close(string) {
	p.admin.mu.Lock()
	defer p.admin.mu.Unlock()
	delete(p.admin.pages, p.peer)
}

// Event implements [app.Session]: it carries out a command on all servers. Nothing answers; what came of it is told as
// everything else that happens. What cannot be read is ignored, and so are commands that are for /admin itself or another
// namespace of [Options.Closed].
func (p *page) Event(e *app.Event) {
	a := p.admin
	if a.o.ReadOnly || len(e.Args) < 2 {
		return
	}
	namespace, ok := rawjson.Text(e.Args[0])
	if !ok || !strings.HasPrefix(namespace, "/") || slices.Contains(a.o.Closed, namespace) {
		return
	}
	switch e.Name {
	case "emit":
		if sel, ok := a.selection(namespace, e.Args[1]); ok && len(e.Args) > 2 {
			a.emit(namespace, sel, e)
		}
	case "join", "leave", "_disconnect":
		sel, ok := a.selection(namespace, append(e.Args, nil)[2])
		if !ok {
			return
		}
		if e.Name == "_disconnect" {
			a.disconnect(namespace, sel, string(e.Args[1]) == "true")
		} else if room, ok := rawjson.Text(e.Args[1]); ok && room != "" {
			a.move(namespace, sel, room, e.Name == "join")
		}
	default:
		return
	}
	a.o.Log.Info("admin UI: a command", "command", e.Name, "namespace", namespace, "sid", p.peer.ID())
}

// selection reads whom a command is for: a room, which may be a socket's own, or with nothing everybody. A name means here what
// it means when a Node server says it.
func (a *Admin) selection(namespace string, filter json.RawMessage) (sel hub.Selection, ok bool) {
	if len(filter) == 0 || string(filter) == "null" {
		return sel, true
	}
	room, ok := rawjson.Text(filter)
	if ok && room != "" {
		sel.Rooms = a.o.Hub.Names.AppendForeign(nil, namespace, room)
	}
	return sel, ok
}

func (a *Admin) emit(namespace string, sel hub.Selection, e *app.Event) {
	event, ok := rawjson.Text(e.Args[2])
	if !ok || app.IsReserved(event) {
		return
	}
	msg := &hub.Message{Namespace: namespace, Event: event, Args: e.Args[3:], Attachments: e.Attachments}
	a.o.Hub.SendSelection(sel, msg, nil)
}

func (a *Admin) move(namespace string, sel hub.Selection, room string, join bool) {
	here, there := a.door.LeaveHere, socketio.Cluster.Leave
	if join {
		here, there = a.door.JoinHere, socketio.Cluster.Join
	}
	here(namespace, sel, []string{room})
	if c, clustered := a.door.Cluster(); clustered {
		there(c, namespace, sel, []string{room})
	}
}

func (a *Admin) disconnect(namespace string, sel hub.Selection, closeConnection bool) {
	if c, clustered := a.door.Cluster(); clustered { // first: the page's own connection may be among those that end
		c.Disconnect(namespace, sel, closeConnection)
	}
	a.door.DisconnectHere(namespace, sel, closeConnection)
}
