package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signalbox/server/cluster/format"
	"signalbox/server/engine"
	"signalbox/server/hub"
)

// This file is what the cluster asks of this server for its own clients: who they are, where they go.

// SocketsHere returns the clients of a namespace on this server that sel selects, as a Node server tells of its own.
// Headers, query, auth and data are always there. What proves who somebody is, is not: the headers for it and for
// cookies, members of the query that are called like a token or a key, and everything in auth. data is what the
// program keeps with the library's socket, {} where that is nothing.
func (s *Server) SocketsHere(namespace string, sel hub.Selection) []format.Socket {
	var sockets []format.Socket
	for _, p := range s.audience(namespace, sel) {
		socket := p.Describe()
		socket.Rooms = p.bareRooms()
		sockets = append(sockets, socket)
	}
	return sockets
}

// RoomsHere returns the rooms that clients of a namespace on this server are in, each once, by the names that a Node
// server would have for them: socket ids are among them.
func (s *Server) RoomsHere(namespace string) []string {
	var rooms []string
	for _, p := range s.audience(namespace, hub.Selection{}) {
		rooms = append(rooms, p.bareRooms()...)
	}
	slices.Sort(rooms)
	return slices.Compact(rooms)
}

// AllRooms returns the rooms of a namespace on all servers of the cluster, each once, as allRooms of Node's adapter
// does. It waits for the others until ctx is over; with an error theirs are not all there.
func (s *Server) AllRooms(ctx context.Context, namespace string) ([]string, error) {
	there, err := s.cluster.AllRooms(ctx, namespace)
	rooms := append(s.RoomsHere(namespace), there...)
	slices.Sort(rooms)
	return slices.Compact(rooms), err
}

// JoinHere makes the selected clients of a namespace on this server join rooms of it. It may wait a moment, as
// [hub.Hub.Join] does, so it must not be called where messages of the cluster are received.
func (s *Server) JoinHere(namespace string, sel hub.Selection, rooms []string) {
	for _, p := range s.audience(namespace, sel) {
		if session := p.LibrarySession(); session != nil {
			session.Join(rooms)
			continue
		}
		for _, room := range rooms {
			s.hub.Join(p.member, hub.NamespaceRoom(namespace, room))
		}
	}
}

// LeaveHere makes them leave rooms of the namespace. Rooms that a handler keeps are the handler's.
func (s *Server) LeaveHere(namespace string, sel hub.Selection, rooms []string) {
	for _, p := range s.audience(namespace, sel) {
		if session := p.LibrarySession(); session != nil {
			session.Leave(rooms)
			continue
		}
		for _, room := range rooms {
			if room != p.ID() {
				s.hub.Leave(p.member, hub.NamespaceRoom(namespace, room))
			}
		}
	}
}

// DisconnectHere disconnects the selected clients of a namespace on this server, from the namespace or altogether. It
// calls handlers, which may take their time.
func (s *Server) DisconnectHere(namespace string, sel hub.Selection, closeConnection bool) {
	for _, p := range s.audience(namespace, sel) {
		p.Disconnect(closeConnection)
	}
}

// ServerSideHere gives an event of another server, its name and its arguments, to the listeners that a program has
// registered on the namespace, on the caller's goroutine. ack takes what the first of them calls back with, the first
// value of it; nil: no answer is wanted. What cannot be read is ignored.
func (s *Server) ServerSideHere(namespace string, args []json.RawMessage, attachments [][]byte, ack ServerAck) {
	if s.library != nil {
		s.library.ServerSide(namespace, args, attachments, ack)
	}
}

// bareRooms returns what a Node server would call the rooms of a client, its id first, each once.
func (p *peer) bareRooms() []string {
	var rooms []string
	for _, r := range p.member.Rooms() {
		namespace, name := p.server().hub.Names.Of(r)
		if namespace == p.name && r.Kind != hub.KindEverybody && !slices.Contains(rooms, name) {
			rooms = append(rooms, name)
		}
	}
	return rooms
}

// data returns what a program keeps with a client.
func (p *peer) data() json.RawMessage {
	if s := p.LibrarySession(); s != nil {
		if data, err := marshal(s.Data()); err == nil && string(data) != "null" {
			return data
		}
	}
	return json.RawMessage("{}")
}

// Describe implements [Watched].
func (p *peer) Describe() format.Socket {
	socket := format.Socket{ID: p.ID(), Handshake: p.handshake(), Data: p.data()}
	if !p.server().cfg.Instrumented {
		return socket
	}
	client := fmt.Sprintf(`{"_admin":{"clientId":%q,"transport":%q}`, p.conn().session.ID()[:publicIDLength], p.Transport())
	if rest, ok := bytes.CutPrefix(socket.Data, []byte("{")); ok && len(rest) > 1 {
		socket.Data = append([]byte(client+","), rest...)
	} else {
		socket.Data = json.RawMessage(client + "}")
	}
	return socket
}

// publicIDLength is how much of a session id others may see: with all of it they could speak for the client.
const publicIDLength = 12

// nodeTime is how JavaScript writes a Date in UTC.
const nodeTime = "Mon Jan 02 2006 15:04:05 GMT+0000 (Coordinated Universal Time)"

// handshake returns a client's handshake as a Node server tells of it, without secrets.
func (p *peer) handshake() json.RawMessage {
	request := p.conn().session.Request()
	query := openQuery(request.Query())
	raw, err := marshal(struct {
		Headers map[string]any `json:"headers"`
		Time    string         `json:"time"`
		Address string         `json:"address"`
		Xdomain bool           `json:"xdomain"`
		Secure  bool           `json:"secure"`
		Issued  int64          `json:"issued"`
		URL     string         `json:"url"`
		Query   map[string]any `json:"query"`
		Auth    struct{}       `json:"auth"`
	}{
		Headers: openHeaders(request.Header),
		Time:    request.Time.UTC().Format(nodeTime),
		Address: p.conn().session.RemoteAddr(),
		Xdomain: request.Header.Get("Origin") != "",
		Secure:  request.Secure,
		Issued:  request.Time.UnixMilli(),
		URL:     openURL(request, query),
		Query:   nodeValues(query),
	})
	if err != nil { // texts and numbers always have a form
		return json.RawMessage(`{"headers":{},"query":{},"auth":{}}`)
	}
	return raw
}

// secretHeaders say who somebody is.
var secretHeaders = map[string]bool{
	"Cookie": true, "Authorization": true, "Proxy-Authorization": true, "X-Api-Key": true,
}

// openHeaders returns headers as Node has them: in lower case, one text each.
func openHeaders(header http.Header) map[string]any {
	headers := make(map[string]any, len(header))
	for name, values := range header {
		if !IsSecret(name) {
			headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	return headers
}

func openQuery(query url.Values) url.Values {
	open := make(url.Values, len(query))
	for name, values := range query {
		if !IsSecret(name, values...) {
			open[name] = values
		}
	}
	return open
}

// openURL returns path and query as they were sent, where the query has no secrets.
func openURL(request *engine.Request, open url.Values) string {
	if len(open) == len(request.Query()) {
		return request.URL
	}
	path, _, _ := strings.Cut(request.URL, "?")
	if len(open) == 0 {
		return path
	}
	return path + "?" + open.Encode()
}

// nodeValues returns a query as Node has it: a text for what is there once, else a list.
func nodeValues(query url.Values) map[string]any {
	values := make(map[string]any, len(query))
	for name, list := range query {
		if len(list) == 1 {
			values[name] = list[0]
		} else {
			values[name] = list
		}
	}
	return values
}

// IsSecret reports whether a header or a member of a query says who somebody is, by its name or what it holds.
func IsSecret(name string, values ...string) bool {
	return secretHeaders[http.CanonicalHeaderKey(name)] || soundsSecret(name) || slices.ContainsFunc(values, looksLikeToken)
}

// looksLikeToken reports whether a text begins as every JWT does, with the base64url of {".
func looksLikeToken(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "eyJ") }

// soundsSecret reports whether a parameter or header is called like something to be kept to oneself.
func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{
		"token", "auth", "secret", "password", "passwd", "ticket", "jwt", "apikey", "api_key", "api-key", "bearer",
		"session", "signature",
	} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "key" || name == "sig" || name == "code"
}
