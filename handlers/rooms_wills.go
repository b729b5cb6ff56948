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

// bequeath leaves a will for the client's place in a room, and takeBack takes it back.
func (o *occupant) bequeath(room string) {
	w := &o.rooms.wills
	if w.wills == nil {
		return
	}
	w.wills.Will(store.Will{Key: o.willKey(room), Topic: willRoom, Body: compactJSON(roomWill{
		Run: w.run, Room: []byte(room), UserID: o.userID, UserName: o.userName, Verified: o.identity != nil,
	})})
}

func (o *occupant) takeBack(room string) {
	r := o.rooms
	if r.wills.wills == nil {
		return
	}
	key := o.willKey(room)
	r.wills.wills.Unwill(key)
	if r.draining.Load() {
		r.presence.claimed(key)
	}
}

func (o *occupant) willKey(room string) string { return willKey(room, o.userID, o.identity != nil) }

// returns reports whether the client was in the room already, at a node that is leaving: nobody was told that it has
// gone, so nobody needs to hear that it has come.
func (o *occupant) returns(room string) bool {
	r := o.rooms
	if r.wills.wills == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	key := o.willKey(room)
	if !r.wills.wills.Claim(ctx, key) {
		return false
	}
	r.presence.claimed(key)
	return true
}

// rewrite makes a change to who the client is, in its wills too.
func (o *occupant) rewrite(change func()) {
	var in []string
	if o.rooms.wills.wills != nil {
		in = roomNames(o.member)
	}
	for _, room := range in {
		o.takeBack(room)
	}
	change()
	for _, room := range in {
		o.bequeath(room)
	}
}

// proveAgain goes on with a newer token of the same user.
func (o *occupant) proveAgain(id *auth.Identity) {
	if bytes.Equal(jsonText(id.Name()), o.userName) {
		o.prove(id)
		return
	}
	o.rewrite(func() { o.prove(id) })
	o.rooms.presence.rename(o.member, id.Name())
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
			userID, userName, is := r.presence.occupies(m)
			if is {
				r.hub.Send(address, notice("user_joined", raw, userID, userName), m)
				p.step()
			}
		}
	}
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
