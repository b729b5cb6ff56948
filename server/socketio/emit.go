package socketio

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"signalbox/server/hub"
)

// This file is how programs outside a handler reach clients: the publish API and its like.

// AnswerFunc takes what one client answered: the arguments as it sent them, and the binary attachments that
// placeholders in them refer to.
type AnswerFunc = func(sid string, args []json.RawMessage, attachments [][]byte)

// Emit queues msg for the clients of the namespace that it names, on all servers of the cluster, and returns for how
// many: those that to selects, or everybody in the namespace where to names no room, without those whom to excepts. It
// waits for the other servers to tell their numbers, until ctx is over at most; complete reports whether all have.
// Without a cluster it never waits. It may be called from any goroutine.
func (s *Server) Emit(ctx context.Context, to hub.Selection, msg *hub.Message) (delivered int, complete bool) {
	if !s.clustered() {
		return s.hub.SendSelectionHere(to, msg), true
	}
	type number struct {
		delivered int
		complete  bool
	}
	counted := make(chan number, 1)
	s.hub.SendSelection(to, msg, func(delivered int, complete bool) { counted <- number{delivered, complete} })
	select {
	case all := <-counted:
		return all.delivered, all.complete
	case <-ctx.Done():
		return len(s.hub.Select(msg.Namespace, to)), false
	}
}

// Send is Emit without the numbers, where elsewhere is false for the clients of this server alone.
func (s *Server) Send(to hub.Selection, msg *hub.Message, elsewhere bool) {
	if elsewhere {
		s.hub.SendSelection(to, msg, nil)
	} else {
		s.hub.SendSelectionHere(to, msg)
	}
}

// EmitWithAck is Emit for an event that every client is asked to answer. It calls answer once for each client that
// does and returns the number of clients asked: when all of them have answered or left, or when ctx is over. Calls
// come one at a time; args and attachments are valid until answer returns, and after EmitWithAck has returned there
// are no more. sid is "" for a client of a server that does not tell it. msg.Volatile is not looked at.
func (s *Server) EmitWithAck(
	ctx context.Context, to hub.Selection, msg *hub.Message, answer AnswerFunc,
) (asked int, complete bool) {
	if !s.clustered() {
		s.AskHere(ctx, to, msg, func(clients int) { asked = clients }, answer)
		return asked, true
	}
	var mu sync.Mutex
	oneAtATime := func(sid string, args []json.RawMessage, attachments [][]byte) {
		mu.Lock()
		defer mu.Unlock()
		answer(sid, args, attachments)
	}
	var there int
	var others sync.WaitGroup
	s.AskHere(ctx, to, msg, func(clients int) { // who is here has been asked, and the others come next
		asked = clients
		others.Go(func() { // awaited below
			there, complete = s.cluster.AskClients(ctx, to, msg, timeLeft(ctx), oneAtATime)
		})
	}, oneAtATime)
	others.Wait()
	return asked + there, complete
}

// timeLeft returns how long ctx lasts at most.
func timeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), time.Millisecond)
	}
	return ClusterPatience
}
