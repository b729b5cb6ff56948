package redis

import (
	"context"

	"signalbox/store"
)

var scriptMove = script("head", "users", "move")

// MoveUser makes u, who is a user of another node, one of this: in its place, so nobody needs to be told. A change that has begun
// is not cut short by ctx.
func (u *Users) MoveUser(ctx context.Context, user store.User) error {
	release, err := u.local.hold(ctx, user.ID)
	if err != nil {
		return err
	}
	defer release()
	reply, err := runTexts(context.WithoutCancel(ctx), u.link, scriptMove, u.keys.all(), user.ID, u.node, user.Room, user.Name)
	if err != nil {
		return err
	}
	seq, err := parseSeq(reply[0])
	if err == nil {
		u.local.put(user, seq)
	}
	return err
}

// Forget has this node forget a user whom another one has.
func (u *Users) Forget(id string) { u.local.remove(id, false) }
