package rooms

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"signalbox/handlers/message"
	"signalbox/handlers/presence"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
)

const (
	// claimTimeout bounds asking whether somebody who comes has only changed nodes.
	claimTimeout = 500 * time.Millisecond
	// rewritePause is how long the leave notices of a client that is in rooms are left as they are at least.
	rewritePause = 10 * time.Second
)

// noticeKey says who is where: the same on every node for the same user in the same room. That somebody only says to be a
// user makes another key than a token does.
func noticeKey(room string, userID json.RawMessage, verified bool) string {
	b := strconv.AppendInt([]byte(presence.TopicMembership+" "), int64(len(room)), 10)
	b = append(b, ' ')
	b = append(b, room...)
	b = append(b, ' ')
	if verified {
		b = append(b, '+')
	}
	return string(append(b, userID...))
}

// noticed is who a client is in its leave notices.
type noticed struct {
	userID, userName json.RawMessage
	verified         bool
}

func (n *noticed) key(room string) string { return noticeKey(room, n.userID, n.verified) }

func (n *noticed) is(o *noticed) bool {
	return n.verified == o.verified && bytes.Equal(n.userID, o.userID) && bytes.Equal(n.userName, o.userName) &&
		(n.userID == nil) == (o.userID == nil)
}

// now returns who the client is now.
func (o *occupant) now() *noticed {
	return &noticed{userID: o.userID, userName: o.userName, verified: o.identity != nil}
}

// leaveNotice has another node tell a room that the client has left it, should this node die. withdrawNotice undoes it.
func (o *occupant) leaveNotice(room string) {
	if o.rooms.notices == nil {
		return
	}
	if o.noticed == nil {
		o.noticed = o.now()
	}
	o.rooms.notice(o.noticed, room)
	o.rewrite()
}

func (o *occupant) withdrawNotice(room string) {
	r := o.rooms
	if r.notices == nil || o.noticed == nil {
		return
	}
	key := o.noticed.key(room)
	r.notices.WithdrawNotice(key)
	if r.draining.Load() {
		r.presence.TakenOver(key)
	}
	o.rewrite()
}

func (r *Rooms) notice(who *noticed, room string) {
	body, _ := rawjson.Marshal(presence.Membership{ // of texts and JSON
		Run: r.presence.Run(), Room: []byte(room), UserID: who.userID, UserName: who.userName, Verified: who.verified,
	})
	r.notices.AddNotice(store.LeaveNotice{Key: who.key(room), Topic: presence.TopicMembership, Body: body})
}

// rewrite has the leave notices of a client say who it is now. A client that changes that all the time is not followed at
// once: it could be in many rooms.
func (o *occupant) rewrite() {
	if o.rooms.notices == nil || o.noticed == nil {
		return
	}
	now := o.now()
	if now.is(o.noticed) {
		return
	}
	in := presence.RoomNames(o.member)
	if len(in) > 0 {
		if time.Since(o.rewritten) < rewritePause {
			return
		}
		o.rewritten = time.Now()
	}
	for _, room := range in {
		o.rooms.notices.WithdrawNotice(o.noticed.key(room))
		o.rooms.notice(now, room)
	}
	o.noticed = now
}

// returns reports whether the client was in the room already, at a node that is leaving: nobody was told that it has
// gone, so nobody needs to hear that it has come.
func (o *occupant) returns(room string) bool {
	r := o.rooms
	if r.notices == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	key := o.now().key(room)
	if !r.notices.TakeOver(ctx, key) {
		return false
	}
	r.presence.TakenOver(key)
	return true
}

// proveAgain goes on with a newer token of the same user.
func (o *occupant) proveAgain(id *auth.Identity) {
	o.prove(id)
	o.rooms.presence.Rename(o.member, id.Name())
	o.rewrite()
}

// CarryOut tells a room that somebody whose node is gone has left it, by the body of a leave notice, and reports whether it
// could be read.
func (r *Rooms) CarryOut(body []byte) bool {
	var m presence.Membership
	if json.Unmarshal(body, &m) != nil {
		return false
	}
	room := string(m.Room)
	r.hub.Send(roomAddress(room), message.Notice("user_left", rawjson.String(room), m.UserID, m.UserName))
	return true
}

// Draining is called when this node begins to leave, before it ends its clients. Who goes by itself from then on is taken out
// of the lists that other nodes keep of those who leave with it.
func (r *Rooms) Draining() { r.draining.Store(true) }

// Returned tells every room again that the clients of this node are in it: the other nodes had declared it dead, and told the
// rooms that its people have left. It takes its time, see [hub.Pace], and ends with ctx.
func (r *Rooms) Returned(ctx context.Context) {
	var p hub.Pace
	for _, address := range r.hub.Rooms(hub.KindRoom) {
		raw := rawjson.String(address.Name)
		for _, m := range r.hub.Members(address) {
			if p.Step(ctx) != nil {
				return
			}
			r.tellAgain(address, raw, m)
		}
	}
}

// tellAgain tells a room that a client is in it, if it still is.
func (r *Rooms) tellAgain(address hub.Room, raw json.RawMessage, m *hub.Member) {
	userID, userName, is := r.presence.Occupies(m)
	l := r.lock(address.Name)
	l.Lock()
	defer l.Unlock() // who leaves is out before it waits for the lock to say so
	if is && r.hub.Contains(m, address) {
		r.hub.Send(address, message.Notice("user_joined", raw, userID, userName), m)
	}
}
