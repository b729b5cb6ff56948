package presence

import (
	"context"
	"slices"
	"strings"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

// What nodes ask and tell each other about people.
const (
	topicOnline     = "presence.online"
	topicWhich      = "presence.which"
	topicWhichIn    = "presence.which.in"
	topicRoomPage   = "presence.page"
	topicDisconnect = "presence.disconnect"
	// topicTakenOver tells the key of a notice that was taken over from a node that leaves.
	topicTakenOver = "claimed"
)

// answer has this node's part answered to the others.
func (p *Presence) answer() {
	hub.Answer(p.nodes, topicOnline, func(q userQuestion) any { return p.onlineHere(string(q.UserID)) })
	hub.Answer(p.nodes, topicWhich, func(ids [][]byte) any { return p.whichHere(ids, everybody) })
	hub.Answer(p.nodes, topicWhichIn, func(q whichInQuestion) any {
		patterns := make([]string, len(q.Rooms))
		for i, pattern := range q.Rooms {
			patterns[i] = string(pattern)
		}
		return p.whichHere(q.UserIDs, auth.Limited(patterns))
	})
	hub.Answer(p.nodes, topicRoomPage, func(q roomQuestion) any { return p.roomHere(q) })
	hub.Answer(p.nodes, topicDisconnect, func(q userQuestion) any { return p.disconnectHere(string(q.UserID), q.Close) })
	hub.Answer(p.nodes, topicAway, func(r roomRef) any { return p.hub.AwayIn(r.room()) })
	hub.Answer(p.nodes, topicRooms, func(q roomsQuestion) any { return p.roomsHere(q) })
	p.nodes.OnTell(topicTakenOver, func(key []byte) { p.leaving.takenOver(string(key)) })
}

// userQuestion is about one user, byte for byte.
type userQuestion struct {
	UserID []byte `json:"userId"`
	Close  bool   `json:"close,omitempty"`
}

// whichInQuestion is which of some users are in rooms of some patterns.
type whichInQuestion struct {
	UserIDs [][]byte `json:"userIds"`
	Rooms   [][]byte `json:"rooms"`
}

func (p *Presence) whichHere(userIDs [][]byte, asker *auth.Identity) []bool {
	online := make([]bool, len(userIDs))
	for i, id := range userIDs {
		online[i] = p.isOnlineHere(string(id), asker)
	}
	return online
}

func toBytes(texts []string) [][]byte {
	b := make([][]byte, len(texts))
	for i, t := range texts {
		b[i] = []byte(t)
	}
	return b
}

// Online returns the connections of a user; none: the user is not online. Those who only say that they are the user,
// without a token, are listed for the broker alone, where nothing else is asked of them on an open server. complete is
// false where a node of the cluster has not answered in time.
func (p *Presence) Online(ctx context.Context, userID string) (places []app.Place, complete bool) {
	places = p.onlineHere(userID)
	complete = hub.Ask(ctx, p.nodes, topicOnline, userQuestion{UserID: []byte(userID)}, func(more []app.Place) {
		places = append(places, more...)
	})
	slices.SortFunc(places, func(a, b app.Place) int {
		return strings.Compare(a.Door+a.ClientID, b.Door+b.ClientID)
	})
	return places, complete
}

func (p *Presence) onlineHere(userID string) []app.Place {
	p.mu.RLock()
	list := slices.Clone(p.users[userID])
	p.mu.RUnlock()
	places := make([]app.Place, 0, len(list))
	for _, c := range list {
		since := c.since
		places = append(places, app.Place{Door: c.door, ClientID: c.member.ID(), Since: &since, Rooms: RoomNames(c.member), Verified: true, Away: c.member.Away()})
	}
	for _, m := range p.hub.Members(hub.Room{Kind: hub.KindUser, Name: userID}) {
		places = append(places, app.Place{Door: DoorBroker, ClientID: m.ID(), Rooms: []string{}, Away: m.Away()})
	}
	return places
}

// AreOnline reports of each user whether it has a connection. For somebody whose token is limited to some rooms it is one in a
// room of these, or the asker's own. It costs less than Online, and asks the other nodes once for all who are not known to be
// here. complete is false where a node of the cluster has not answered in time.
func (p *Presence) AreOnline(ctx context.Context, userIDs []string, asker *auth.Identity) (online []bool, complete bool) {
	online = make([]bool, len(userIDs))
	var elsewhere [][]byte
	var index []int
	for i, id := range userIDs {
		if online[i] = p.isOnlineHere(id, asker) || p.leaving.isOnline(id, asker); !online[i] {
			elsewhere, index = append(elsewhere, []byte(id)), append(index, i)
		}
	}
	if len(elsewhere) == 0 {
		return online, true
	}
	topic, question := topicWhich, any(elsewhere)
	if patterns, limited := asker.Rooms(); limited {
		topic, question = topicWhichIn, whichInQuestion{elsewhere, toBytes(patterns)}
	}
	complete = hub.Ask(ctx, p.nodes, topic, question, func(there []bool) {
		for i := range min(len(there), len(index)) {
			online[index[i]] = online[index[i]] || there[i]
		}
	})
	return online, complete
}

// everybody may ask about all rooms.
var everybody = new(auth.Identity)

func (p *Presence) isOnlineHere(userID string, asker *auth.Identity) bool {
	if _, limited := asker.Rooms(); !limited {
		p.mu.RLock()
		_, ok := p.users[userID]
		p.mu.RUnlock()
		return ok || p.hub.Count(hub.Room{Kind: hub.KindUser, Name: userID}) > 0
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if userID == asker.UserID() {
		return len(p.users[userID]) > 0
	}
	return slices.ContainsFunc(p.users[userID], func(c *person) bool {
		return slices.ContainsFunc(RoomNames(c.member), asker.CanJoin)
	})
}

// Disconnect ends every connection of a user, those of the broker among them, and returns how many it were. Without
// closeConnection a Socket.IO client only leaves the namespace in which it is that user, and keeps its others. complete is
// false where a node of the cluster has not answered in time.
func (p *Presence) Disconnect(ctx context.Context, userID string, closeConnection bool) (n int, complete bool) {
	n = p.disconnectHere(userID, closeConnection)
	question := userQuestion{UserID: []byte(userID), Close: closeConnection}
	complete = hub.Ask(ctx, p.nodes, topicDisconnect, question, func(there int) { n += there })
	foreign, all := p.nodes.DisconnectForeign(ctx, hub.Room{Kind: hub.KindAccount, Name: userID}, closeConnection)
	n, complete = n+foreign, complete && all
	return n, complete
}

func (p *Presence) disconnectHere(userID string, closeConnection bool) int {
	p.mu.RLock()
	list := slices.Clone(p.users[userID])
	p.mu.RUnlock()
	for _, c := range list {
		c.end(closeConnection)
	}
	n := len(list)
	for _, m := range p.hub.Members(hub.Room{Kind: hub.KindUser, Name: userID}) {
		if disconnect(m, closeConnection) {
			n++
		}
	}
	return n
}

// TakenOver takes one of those at a node that leaves out of the lists of all nodes: it has come back to this one.
func (p *Presence) TakenOver(key string) {
	p.leaving.takenOver(key)
	p.nodes.Tell(topicTakenOver, []byte(key))
}

// Leaving takes in the memberships that a node leaves behind which leaves on purpose: its people stay in lists until they have
// come back to another node, or Left is called.
func (p *Presence) Leaving(node string, notices []store.LeaveNotice) { p.leaving.add(node, notices) }

// Left takes those out of lists who were at a node when it was leaving: it has ended, and who is not back has gone.
func (p *Presence) Left(node string) { p.leaving.left(node) }

// CarryOut does what a node has left behind that is gone for good, by the topic of each notice: the rooms on all nodes are
// told that its people have left them. It is called on one node of those that are there, takes its time where much is left,
// see [hub.Pace], and stops when ctx is over. It returns how many notices could not be read.
func (p *Presence) CarryOut(ctx context.Context, node string, notices []store.LeaveNotice, do map[string]func(body []byte) bool) (bad int) {
	var pace hub.Pace
	for _, n := range notices {
		if pace.Step(ctx) != nil {
			return bad
		}
		if call := do[n.Topic]; call == nil || !call(n.Body) {
			bad++
		}
	}
	return bad
}
