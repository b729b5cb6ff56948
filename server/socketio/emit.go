package socketio

import (
	"context"
	"encoding/json"
	"strconv"

	"signalbox/server/hub"
)

// This file is how programs outside a handler reach clients: the publish API and its like.

// Emit queues msg for the clients of the namespace that it names, and returns for how many: those that to selects, or
// everybody in the namespace where to names no room, without those whom to excepts. It never blocks. A namespace nobody
// has been in has no clients. It may be called from any goroutine.
func (s *Server) Emit(to hub.Selection, msg *hub.Message) int {
	if len(to.Rooms) > 0 {
		return s.hub.SendSelectionHere(to, msg)
	}
	n := s.namespace(msg.Namespace)
	if n == nil {
		return 0
	}
	delivered := 0
	for _, p := range n.audience(to) {
		if p.Deliver(msg) {
			delivered++
		}
	}
	return delivered
}

// EmitWithAck is Emit for an event that every client is asked to answer. It calls answer once for each client that does
// and returns the number of clients asked: when all of them have answered or left, or when ctx is over. Calls come one at
// a time, on the goroutine that reads from the client; args and attachments are valid until answer returns, and after
// EmitWithAck has returned there are no more. msg.Volatile is not looked at.
func (s *Server) EmitWithAck(ctx context.Context, to hub.Selection, msg *hub.Message, answer AnswerFunc) int {
	n := s.namespace(msg.Namespace)
	if n == nil {
		return 0
	}
	peers := n.audience(to)
	if len(peers) == 0 {
		return 0
	}
	id := n.nsp.Ids() // shared with the library's own acks, so no client has two questions of one id
	q := n.questions.ask(id, peers, answer)
	defer n.questions.close(id)

	encoded := encodeEvent(msg, strconv.FormatUint(id, 10))
	asked := 0
	for _, p := range peers {
		if encoded != nil && p.deliver(encoded, false) {
			asked++
		} else {
			q.leave(p)
		}
	}
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	return asked
}

// AnswerFunc takes what one client answered: the arguments as it sent them, and the binary attachments that placeholders
// in them refer to.
type AnswerFunc = func(sid string, args []json.RawMessage, attachments [][]byte)

// Member returns the place in the hub of the client with a socket id, or nil where the namespace has no such client.
func (s *Server) Member(namespace, sid string) *hub.Member {
	n := s.namespace(namespace)
	if n == nil {
		return nil
	}
	if p := n.peer(sid); p != nil {
		return p.member
	}
	return nil
}

// namespace returns what is known of a namespace; nil where nobody has been in it and no program has made it.
func (s *Server) namespace(name string) *namespace {
	n, ok := s.namespaces.Load(name)
	if !ok {
		return nil
	}
	return n.(*namespace)
}

// audience returns the clients of this namespace that sel selects, each once; everybody where it names no room.
func (n *namespace) audience(sel hub.Selection) []*peer {
	if len(sel.Rooms) > 0 {
		var peers []*peer
		for _, m := range n.server.hub.Select(sel) {
			if p, ok := m.Sink().(*peer); ok && p.ns == n {
				peers = append(peers, p)
			}
		}
		return peers
	}
	peers := n.all()
	if len(sel.Except) == 0 && len(sel.ExceptMembers) == 0 {
		return peers
	}
	excepted := make(map[*hub.Member]struct{})
	for _, m := range sel.ExceptMembers {
		excepted[m] = struct{}{}
	}
	for _, m := range n.server.hub.Select(hub.Selection{Rooms: sel.Except}) {
		excepted[m] = struct{}{}
	}
	kept := peers[:0]
	for _, p := range peers {
		if _, ok := excepted[p.member]; !ok {
			kept = append(kept, p)
		}
	}
	return kept
}
