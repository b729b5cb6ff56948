package socketio

import (
	"context"
	"strconv"

	"signalbox/server/hub"
)

// This file is what the cluster asks of this server for its own clients: messages.

// AskHere asks the clients on this server that sel selects to answer msg, and returns when all of them have answered
// or left, or when ctx is over. asked is called once and before everything else, with the number of clients asked,
// also where it is 0. answer is called once for each answer, one at a time and not after AskHere has returned; args
// and attachments are valid until it returns. A lock is held while asked and answer are called: they must not block.
// msg.Volatile is not looked at.
func (s *Server) AskHere(
	ctx context.Context, sel hub.Selection, msg *hub.Message, asked func(clients int), answer AnswerFunc,
) {
	n := s.namespace(msg.Namespace)
	if n == nil {
		asked(0)
		return
	}
	peers := s.audience(n.name, sel)
	if len(peers) == 0 {
		asked(0)
		return
	}
	id := n.nextID()
	q := n.questions.ask(id, peers, answer)
	defer n.questions.close(id)
	encoded := EncodeEvent(msg, strconv.FormatUint(id, 10))
	q.send(func(p *peer) bool {
		p.tellSent(msg)
		return encoded != nil && p.deliver(encoded, msg.ID, false)
	}, asked)
	select {
	case <-q.done:
	case <-ctx.Done():
	}
}
