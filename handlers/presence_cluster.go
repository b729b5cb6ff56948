package handlers

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"signalbox/server/hub"
)

// What nodes ask and tell each other about people.
const (
	topicOnline     = "presence.online"
	topicWhich      = "presence.which"
	topicRoom       = "presence.room"
	topicDisconnect = "presence.disconnect"
	// topicClaimed tells the key of a will that was claimed from a node that leaves.
	topicClaimed = "claimed"
	// topicExecuted tells the process whose wills were carried out.
	topicExecuted = "executed"
)

// gather asks the other nodes and has their answers read, one at a time. It reports whether all have answered something
// that can be read.
func gather(ctx context.Context, nodes hub.Nodes, topic string, question []byte, read func(answer []byte) error) (complete bool) {
	answers, complete := nodes.Ask(ctx, topic, question)
	for _, a := range answers {
		if read(a) != nil {
			complete = false
		}
	}
	return complete
}

// answer has this node's part answered to the others. A question that cannot be read gets an answer that cannot either.
func (p *Presence) answer() {
	p.nodes.OnAsk(topicOnline, func(_ context.Context, body []byte) []byte {
		return answerTo(body, func(q userQuestion) any { return p.onlineHere(string(q.UserID)) })
	})
	p.nodes.OnAsk(topicWhich, func(_ context.Context, body []byte) []byte {
		return answerTo(body, func(q [][]byte) any {
			online := make([]bool, len(q))
			for i, id := range q {
				online[i] = p.isOnlineHere(string(id))
			}
			return online
		})
	})
	p.nodes.OnAsk(topicRoom, func(_ context.Context, body []byte) []byte {
		return answerTo(body, func(q roomQuestion) any { return p.roomHere(string(q.Room)) })
	})
	p.nodes.OnAsk(topicDisconnect, func(_ context.Context, body []byte) []byte {
		return answerTo(body, func(q userQuestion) any { return p.disconnectHere(string(q.UserID), q.Close) })
	})
	p.nodes.OnTell(topicClaimed, func(key []byte) { p.leaving.claimed(string(key)) })
	p.nodes.OnTell(topicExecuted, func(run []byte) { p.leaving.executed(string(run)) })
}

// answerTo reads a question and writes its answer.
func answerTo[Q any](body []byte, call func(Q) any) []byte {
	var q Q
	if json.Unmarshal(body, &q) != nil {
		return nil
	}
	return compactJSON(call(q))
}

// userQuestion is about one user, byte for byte.
type userQuestion struct {
	UserID []byte `json:"userId"`
	Close  bool   `json:"close,omitempty"`
}

// Online returns the connections of a user; none: the user is not online. Those who only say that they are the user,
// without a token, are listed for the broker alone, where nothing else is asked of them on an open server. complete is
// false where a node of the cluster has not answered in time.
func (p *Presence) Online(ctx context.Context, userID string) (places []Place, complete bool) {
	places = p.onlineHere(userID)
	complete = gather(ctx, p.nodes, topicOnline, compactJSON(userQuestion{UserID: []byte(userID)}), func(answer []byte) error {
		var more []Place
		err := json.Unmarshal(answer, &more)
		places = append(places, more...)
		return err
	})
	slices.SortFunc(places, func(a, b Place) int {
		return strings.Compare(a.Door+a.ClientID, b.Door+b.ClientID)
	})
	return places, complete
}

func (p *Presence) onlineHere(userID string) []Place {
	p.mu.RLock()
	list := slices.Clone(p.users[userID])
	p.mu.RUnlock()
	places := make([]Place, 0, len(list))
	for _, c := range list {
		since := c.since
		places = append(places, Place{Door: c.door, ClientID: c.member.ID(), Since: &since, Rooms: roomNames(c.member), Verified: true})
	}
	for _, m := range p.hub.Members(hub.Room{Kind: hub.KindUser, Name: userID}) {
		places = append(places, Place{Door: DoorBroker, ClientID: m.ID(), Rooms: []string{}})
	}
	return places
}

// AreOnline reports of each user whether it has a connection. It costs less than Online, and asks the other nodes once
// for all who are not known to be here. complete is false where a node of the cluster has not answered in time.
func (p *Presence) AreOnline(ctx context.Context, userIDs []string) (online []bool, complete bool) {
	online = make([]bool, len(userIDs))
	var elsewhere [][]byte
	var index []int
	for i, id := range userIDs {
		if online[i] = p.isOnlineHere(id) || p.leaving.isOnline(id); !online[i] {
			elsewhere, index = append(elsewhere, []byte(id)), append(index, i)
		}
	}
	if len(elsewhere) == 0 {
		return online, true
	}
	complete = gather(ctx, p.nodes, topicWhich, compactJSON(elsewhere), func(answer []byte) error {
		var there []bool
		err := json.Unmarshal(answer, &there)
		for i := range min(len(there), len(index)) {
			online[index[i]] = online[index[i]] || there[i]
		}
		return err
	})
	return online, complete
}

func (p *Presence) isOnlineHere(userID string) bool {
	p.mu.RLock()
	_, ok := p.users[userID]
	p.mu.RUnlock()
	return ok || p.hub.Count(hub.Room{Kind: hub.KindUser, Name: userID}) > 0
}

// Disconnect ends every connection of a user, those of the broker among them, and returns how many it were. Without
// closeConnection a Socket.IO client only leaves the namespace in which it is that user, and keeps its others. complete is
// false where a node of the cluster has not answered in time.
func (p *Presence) Disconnect(ctx context.Context, userID string, closeConnection bool) (n int, complete bool) {
	n = p.disconnectHere(userID, closeConnection)
	question := compactJSON(userQuestion{UserID: []byte(userID), Close: closeConnection})
	complete = gather(ctx, p.nodes, topicDisconnect, question, func(answer []byte) error {
		var there int
		err := json.Unmarshal(answer, &there)
		n += there
		return err
	})
	return n, complete
}

func (p *Presence) disconnectHere(userID string, closeConnection bool) int {
	p.mu.RLock()
	list := slices.Clone(p.users[userID])
	p.mu.RUnlock()
	for _, c := range list {
		if !disconnect(c.member, closeConnection) {
			c.end()
		}
	}
	n := len(list)
	for _, m := range p.hub.Members(hub.Room{Kind: hub.KindUser, Name: userID}) {
		if disconnect(m, closeConnection) {
			n++
		}
	}
	return n
}

// claimed takes one of those at a node that leaves out of the lists of all nodes: it has come back to this one.
func (p *Presence) claimed(key string) {
	p.leaving.claimed(key)
	p.nodes.Tell(topicClaimed, []byte(key))
}

// executed takes everybody who was at a process out of the lists of all nodes.
func (p *Presence) executed(run string) {
	p.leaving.executed(run)
	p.nodes.Tell(topicExecuted, []byte(run))
}
