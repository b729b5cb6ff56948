package rooms

import (
	"encoding/json"

	"signalbox/handlers/presence"
)

// This file is how a client goes on at another node of a cluster: nobody is told that it has left, or come.

// packed is what goes on with it. Names may be any bytes.
type packed struct {
	Verified bool            `json:"verified,omitempty"` // a token says who it is
	Account  []byte          `json:"account,omitempty"`  // who that is
	UserID   json.RawMessage `json:"userId,omitempty"`
	UserName json.RawMessage `json:"userName,omitempty"`
	Typing   [][]byte        `json:"typing,omitempty"`
}

// Pack implements [app.Packer].
func (o *occupant) Pack() json.RawMessage {
	p := packed{UserID: o.userID, UserName: o.userName}
	if o.identity != nil {
		p.Verified, p.Account = true, []byte(o.identity.UserID())
	}
	for room := range o.typing {
		p.Typing = append(p.Typing, []byte(room))
	}
	b, _ := json.Marshal(p) // of bytes and checked JSON
	return b
}

func unpack(state json.RawMessage) (p packed, err error) {
	err = json.Unmarshal(state, &p)
	return p, err
}

// resume goes on with a client that is in its rooms already.
func (o *occupant) resume(was packed) {
	for _, room := range was.Typing {
		if o.typing == nil {
			o.typing = make(map[string]struct{})
		}
		o.typing[string(room)] = struct{}{}
	}
	for _, room := range presence.RoomNames(o.member) {
		o.leaveNotice(room)
	}
}

// moved takes back what this node would leave behind of a client that another one has.
func (o *occupant) moved() {
	r := o.rooms
	if r.notices == nil || o.noticed == nil {
		return
	}
	for _, room := range presence.RoomNames(o.member) {
		key := o.noticed.key(room)
		r.notices.WithdrawNotice(key)
		if r.draining.Load() {
			r.presence.TakenOver(key)
		}
	}
}
