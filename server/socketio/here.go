package socketio

import (
	"context"
	"strconv"
	"strings"

	"signalbox/server/hub"
)

// This file is what the cluster asks of this server for its own clients: messages.

// EmitHere queues msg for the members on this server that sel selects, each once, and returns for how many: Socket.IO
// clients in the namespace of msg, and others by the form that msg has for them. Where sel names no room, it goes to
// everybody in the namespace. A room may be a socket by its id. It never blocks. Rooms without members cost next to
// nothing: a selection of which one room has members costs about as much as [hub.Hub.SendHere].
func (s *Server) EmitHere(sel hub.Selection, msg *hub.Message) int {
	n := s.namespace(msg.Namespace)
	if len(sel.Rooms) == 0 {
		if n == nil {
			return 0
		}
		return send(msg, n.members(sel))
	}
	room, several := s.occupied(sel.Rooms)
	if room == nil {
		return 0
	}
	if !several && room.Kind != hub.KindSocket {
		if barred, few := s.barred(sel, n); few {
			return s.hub.SendHere(*room, msg, barred...)
		}
	}
	return send(msg, s.members(sel, n))
}

// maxBarred is up to how many exceptions looking through a list is cheaper than making a map.
const maxBarred = 16

// barred returns the members that a selection excepts, where they are few: usually it is one, who sent the message.
func (s *Server) barred(sel hub.Selection, n *namespace) (barred []*hub.Member, few bool) {
	barred = sel.ExceptMembers
	if len(sel.Except)+len(sel.ExceptSockets) == 0 {
		return barred, len(barred) <= maxBarred
	}
	barred = append(barred[:len(barred):len(barred)], n.sockets(sel.ExceptSockets)...)
	for _, r := range sel.Except {
		if r.Kind != hub.KindSocket {
			switch members := s.hub.Count(r); {
			case members == 0:
				continue
			case members > maxBarred:
				return nil, false
			}
		}
		barred = append(barred, s.in(r)...)
	}
	return barred, len(barred) <= maxBarred
}

func send(msg *hub.Message, members []*hub.Member) int {
	delivered := 0
	for _, m := range members {
		if m.Deliver(msg) {
			delivered++
		}
	}
	return delivered
}

// occupied returns the first room with somebody in it, nil where there is none, and whether there are several.
func (s *Server) occupied(rooms []hub.Room) (first *hub.Room, several bool) {
	if len(rooms) == 1 {
		return &rooms[0], false // who sends to it will see
	}
	for i := range rooms {
		r := &rooms[i]
		if r.Kind == hub.KindSocket && s.socket(*r) == nil || r.Kind != hub.KindSocket && s.hub.Count(*r) == 0 {
			continue
		}
		if first != nil {
			return first, true
		}
		first = r
	}
	return first, false
}

// socket returns the client that a room of [hub.KindSocket] means, nil where it is not here.
func (s *Server) socket(r hub.Room) *peer {
	namespace, sid, _ := strings.Cut(r.Name, "\x00")
	if n := s.namespace(namespace); n != nil {
		return n.peer(sid)
	}
	return nil
}

// in returns the members of a room of any kind.
func (s *Server) in(r hub.Room) []*hub.Member {
	if r.Kind != hub.KindSocket {
		return s.hub.Members(r)
	}
	if p := s.socket(r); p != nil {
		return []*hub.Member{p.member}
	}
	return nil
}

// members returns the members that a selection with rooms names, each once. n is the namespace of its ExceptSockets and
// may be nil.
func (s *Server) members(sel hub.Selection, n *namespace) []*hub.Member {
	seen := s.excepted(sel, n)
	var members []*hub.Member
	several := false
	for _, r := range sel.Rooms {
		more := s.in(r)
		if len(members) > 0 && len(more) > 0 && !several {
			several = true // now somebody may come twice
			for _, m := range members {
				seen[m] = struct{}{}
			}
		}
		for _, m := range more {
			if _, ok := seen[m]; ok {
				continue
			}
			if several {
				seen[m] = struct{}{}
			}
			members = append(members, m)
		}
	}
	return members
}

// excepted returns the members that a selection excepts.
func (s *Server) excepted(sel hub.Selection, n *namespace) map[*hub.Member]struct{} {
	excepted := make(map[*hub.Member]struct{})
	for _, m := range sel.ExceptMembers {
		excepted[m] = struct{}{}
	}
	for _, m := range n.sockets(sel.ExceptSockets) {
		excepted[m] = struct{}{}
	}
	for _, r := range sel.Except {
		for _, m := range s.in(r) {
			excepted[m] = struct{}{}
		}
	}
	return excepted
}

// sockets returns the members with these socket ids that are here; none where n is nil.
func (n *namespace) sockets(sids []string) []*hub.Member {
	if n == nil {
		return nil
	}
	var members []*hub.Member
	for _, sid := range sids {
		if p := n.peer(sid); p != nil {
			members = append(members, p.member)
		}
	}
	return members
}

// members returns the clients of this namespace that sel does not except.
func (n *namespace) members(sel hub.Selection) []*hub.Member {
	peers := n.all()
	var excepted map[*hub.Member]struct{}
	if len(sel.Except)+len(sel.ExceptMembers)+len(sel.ExceptSockets) > 0 {
		excepted = n.server.excepted(sel, n)
	}
	members := make([]*hub.Member, 0, len(peers))
	for _, p := range peers {
		if _, ok := excepted[p.member]; !ok {
			members = append(members, p.member)
		}
	}
	return members
}

// audience returns the clients of this namespace that sel selects, each once; everybody where it names no room.
func (n *namespace) audience(sel hub.Selection) []*peer {
	var members []*hub.Member
	if len(sel.Rooms) > 0 {
		members = n.server.members(sel, n)
	} else {
		members = n.members(sel)
	}
	peers := make([]*peer, 0, len(members))
	for _, m := range members {
		if p, ok := m.Sink().(*peer); ok && p.ns == n {
			peers = append(peers, p)
		}
	}
	return peers
}

// AskHere asks the clients on this server that sel selects to answer msg, and returns when all of them have answered or
// left, or when ctx is over. asked is called once and before everything else, with the number of clients asked, also where
// it is 0. answer is called once for each answer, one at a time and not after AskHere has returned; args and attachments
// are valid until it returns. A lock is held while asked and answer are called: they must not block. msg.Volatile is not
// looked at.
func (s *Server) AskHere(ctx context.Context, sel hub.Selection, msg *hub.Message, asked func(clients int), answer AnswerFunc) {
	n := s.namespace(msg.Namespace)
	if n == nil {
		asked(0)
		return
	}
	peers := n.audience(sel)
	if len(peers) == 0 {
		asked(0)
		return
	}
	id := n.nsp.Ids() // shared with the library's own acks, so no client has two questions of one id
	q := n.questions.ask(id, peers, answer)
	defer n.questions.close(id)
	encoded := encodeEvent(msg, strconv.FormatUint(id, 10))
	q.send(func(p *peer) bool { return encoded != nil && p.deliver(encoded, msg.ID, false) }, asked)
	select {
	case <-q.done:
	case <-ctx.Done():
	}
}
