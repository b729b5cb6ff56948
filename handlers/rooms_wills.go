package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

const (
	// willRoom is the topic of the wills that memberships of rooms leave behind.
	willRoom = "room"
	// claimTimeout bounds asking whether somebody who comes has only changed nodes.
	claimTimeout = 500 * time.Millisecond
	// rewritePause is how long the wills of a client that is in rooms are left as they are at least.
	rewritePause = 10 * time.Second
)

// roomWills is where memberships of rooms leave their wills.
type roomWills struct {
	wills store.Wills // nil: nobody reads them
	run   string      // names this process in them
}

// roomWill is the body of a will: one connection in one room.
type roomWill struct {
	// Run names the process the connection was at.
	Run string `json:"run"`
	// Room is the name of the room, byte for byte.
	Room     []byte          `json:"room"`
	UserID   json.RawMessage `json:"userId,omitempty"`
	UserName json.RawMessage `json:"userName,omitempty"`
	Verified bool            `json:"verified,omitempty"`
}

// willKey says who is where: the same on every node for the same user in the same room. That somebody only says to be a
// user makes another key than a token does.
func willKey(room string, userID json.RawMessage, verified bool) string {
	b := strconv.AppendInt([]byte(willRoom+" "), int64(len(room)), 10)
	b = append(b, ' ')
	b = append(b, room...)
	b = append(b, ' ')
	if verified {
		b = append(b, '+')
	}
	return string(append(b, userID...))
}

// testator is who a client is in its wills.
type testator struct {
	userID, userName json.RawMessage
	verified         bool
}

func (t *testator) key(room string) string { return willKey(room, t.userID, t.verified) }

func (t *testator) is(o *testator) bool {
	return t.verified == o.verified && bytes.Equal(t.userID, o.userID) && bytes.Equal(t.userName, o.userName) &&
		(t.userID == nil) == (o.userID == nil)
}

// testator returns who the client is now.
func (o *occupant) testator() *testator {
	return &testator{userID: o.userID, userName: o.userName, verified: o.identity != nil}
}

// bequeath leaves a will for the client's place in a room, and takeBack takes it back.
func (o *occupant) bequeath(room string) {
	w := &o.rooms.wills
	if w.wills == nil {
		return
	}
	if o.willed == nil {
		o.willed = o.testator()
	}
	w.leave(o.willed, room)
	o.rewrite()
}

func (o *occupant) takeBack(room string) {
	r := o.rooms
	if r.wills.wills == nil || o.willed == nil {
		return
	}
	key := o.willed.key(room)
	r.wills.wills.Unwill(key)
	if r.draining.Load() {
		r.presence.claimed(key)
	}
	o.rewrite()
}

func (w *roomWills) leave(t *testator, room string) {
	w.wills.Will(store.Will{Key: t.key(room), Topic: willRoom, Body: compactJSON(roomWill{
		Run: w.run, Room: []byte(room), UserID: t.userID, UserName: t.userName, Verified: t.verified,
	})})
}

// rewrite has the wills of a client say who it is now. A client that changes that all the time is not followed at once:
// it could be in many rooms.
func (o *occupant) rewrite() {
	w := &o.rooms.wills
	if w.wills == nil || o.willed == nil {
		return
	}
	now := o.testator()
	if now.is(o.willed) {
		return
	}
	in := roomNames(o.member)
	if len(in) > 0 {
		if time.Since(o.rewritten) < rewritePause {
			return
		}
		o.rewritten = time.Now()
	}
	for _, room := range in {
		w.wills.Unwill(o.willed.key(room))
		w.leave(now, room)
	}
	o.willed = now
}

// returns reports whether the client was in the room already, at a node that is leaving: nobody was told that it has
// gone, so nobody needs to hear that it has come.
func (o *occupant) returns(room string) bool {
	r := o.rooms
	if r.wills.wills == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	key := o.testator().key(room)
	if !r.wills.wills.Claim(ctx, key) {
		return false
	}
	r.presence.claimed(key)
	return true
}

// proveAgain goes on with a newer token of the same user.
func (o *occupant) proveAgain(id *auth.Identity) {
	o.prove(id)
	o.rooms.presence.rename(o.member, id.Name())
	o.rewrite()
}

// execute tells a room that somebody whose node is gone has left it. It returns the process the will was from.
func (r *Rooms) execute(body []byte) (run string, err error) {
	var w roomWill
	if err := json.Unmarshal(body, &w); err != nil {
		return "", err
	}
	room := string(w.Room)
	r.hub.Send(roomAddress(room), notice("user_left", jsonText(room), w.UserID, w.UserName))
	return w.Run, nil
}

// returned tells every room again that the clients of this node are in it.
func (r *Rooms) returned() {
	var p pace
	for _, address := range r.hub.Rooms(hub.KindRoom) {
		raw := jsonText(address.Name)
		for _, m := range r.hub.Members(address) {
			if r.tellAgain(address, raw, m) {
				p.step()
			}
		}
	}
}

// tellAgain tells a room that a client is in it, if it still is, and reports whether it did.
func (r *Rooms) tellAgain(address hub.Room, raw json.RawMessage, m *hub.Member) bool {
	userID, userName, is := r.presence.occupies(m)
	l := r.lock(address.Name)
	l.Lock()
	defer l.Unlock() // who leaves is out before it waits for the lock to say so
	if !is || !r.hub.Contains(m, address) {
		return false
	}
	r.hub.Send(address, notice("user_joined", raw, userID, userName), m)
	return true
}

// roomNames returns the names of the rooms of /chat and /ws that a member is in, in their order.
func roomNames(m *hub.Member) []string {
	names := []string{}
	for _, r := range m.Rooms() {
		if r.Kind == hub.KindRoom {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// compactJSON is json.Marshal for what other nodes read: raw JSON in it stays as it is.
func compactJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil // never: only types of this package are written
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
