package redis

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"signalbox/store"
	"signalbox/store/redislink"
)

var (
	scriptSave   = script("head", "users", "save")
	scriptDelete = script("head", "users", "delete")
)

// Users is the [store.UserStore] of a cluster: every node sees all users, in one order of login. A user belongs to the node
// that has saved it, and is taken out of the store with [Users.Release] when that node is dead.
//
// # Without Redis
//
// While Redis is away, nothing here waits or fails, and what is known is gone on with: the users of this node are found,
// saved and deleted as ever; a list is the one that was read last of that room, changed by what this node has done since. Where
// nobody of this node is in a room its list is empty, and users of other nodes are not found. So a node never loses sight of
// its own users, and of the others it shows what was true when Redis went.
//
// When Redis is back, [Users.Repair] brings it up to date, by itself as soon as the link is up: users it lacks are written in
// the order of their login, at their old place where they had one; users who have left meanwhile are removed. Until that has
// happened, what this node tells of its own users is what it knows itself. Had Redis lost its data, lists are complete again
// when every node has repaired its part.
//
// That a node goes on alone has a price: an id is held to be new there even though another node has it, and a place in the
// list is not taken over from a node that is leaving. Socket ids are random, so the first does not happen.
type Users struct {
	// Static after construction.
	link *redislink.Link
	keys keys
	node string

	local *localUsers
	// faults counts what went past Redis; repaired is its value when Repair last brought Redis up to date.
	faults, repaired atomic.Uint64

	repairing sync.Mutex // held by Repair
	repairs   repairs
}

var _ store.UserStore = (*Users)(nil)

// NewUsers returns the store as one node uses it. node is the node's id, the one [NewNode] is given. The store ends with the
// link.
func NewUsers(l *redislink.Link, prefix, node string) *Users {
	u := &Users{link: l, keys: keysOf(prefix), node: node, local: newLocalUsers()}
	u.repairs.init(u)
	l.OnState(u.state)
	return u
}

// FindUser implements [store.UserStore].
func (u *Users) FindUser(ctx context.Context, id string) (store.User, bool, error) {
	reply, err := u.link.Do(ctx, "hget", u.keys.ids, id)
	record, _ := reply.(string)
	own, _, isOwn := u.local.find(id)
	switch {
	case ctx.Err() != nil:
		return store.User{}, false, ctx.Err()
	case err != nil:
		return own, isOwn, nil
	case u.behind() && isOwn:
		return own, true, nil
	case u.local.isDeparted(id):
		return store.User{}, false, nil
	}
	found, ok := recordOf(id, record)
	return found, ok, nil
}

// SaveUser implements [store.UserStore]. A change that has begun is not cut short by ctx.
func (u *Users) SaveUser(ctx context.Context, user store.User) (bool, error) {
	added, _, err := u.save(ctx, user, false)
	return added, err
}

// SaveUserBack is SaveUser for somebody who may have changed nodes: where a user of the same name and room belongs to a node
// that is leaving, user takes its place in the list, the old one is gone, and back is true. So nobody needs to be told that
// anybody has gone or come. Each user of a node that is leaving is taken over once.
func (u *Users) SaveUserBack(ctx context.Context, user store.User) (added, back bool, err error) {
	return u.save(ctx, user, true)
}

func (u *Users) save(ctx context.Context, user store.User, mayBeBack bool) (added, back bool, err error) {
	release, err := u.local.hold(ctx, user.ID)
	if err != nil {
		return false, false, err
	}
	defer release()
	if u.behind() {
		if _, _, is := u.local.find(user.ID); is {
			return false, false, nil
		}
		if u.local.isDeparted(user.ID) {
			u.local.put(user, seqUnsure)
			return true, false, nil
		}
	}
	reply, err := runTexts(context.WithoutCancel(ctx), u.link, scriptSave, u.keys.all(),
		user.ID, u.node, user.Room, user.Name, flag(mayBeBack))
	if err == nil && len(reply) == 0 {
		return false, false, nil
	}
	var seq int64
	if err == nil {
		seq, err = parseSeq(reply[0])
	}
	if err != nil {
		if _, _, is := u.local.find(user.ID); is {
			return false, false, nil
		}
		u.local.put(user, u.fault(err, user.Room))
		return true, false, nil
	}
	u.local.put(user, seq)
	return true, len(reply) > 1 && reply[1] != "", nil
}

// DeleteUser implements [store.UserStore]. A change that has begun is not cut short by ctx. A user whose place another one
// has taken over is gone already: false.
func (u *Users) DeleteUser(ctx context.Context, id string) (store.User, bool, error) {
	release, err := u.local.hold(context.WithoutCancel(ctx), id)
	if err != nil {
		return store.User{}, false, err
	}
	defer release()
	reply, err := runTexts(context.WithoutCancel(ctx), u.link, scriptDelete, u.keys.all(), id)
	if err != nil {
		own, _, _ := u.local.find(id)
		u.fault(err, own.Room)
		user, ok := u.local.remove(id, true)
		return user, ok, nil
	}
	behind, departed := u.behind(), u.local.isDeparted(id)
	own, isOwn := u.local.remove(id, false)
	switch {
	case behind && isOwn:
		return own, true, nil
	case len(reply) == 2 && !departed:
		return store.User{ID: id, Room: reply[0], Name: reply[1]}, true, nil
	}
	return store.User{}, false, nil
}

// GetRoomUsers implements [store.UserStore]. Redis reads a room at once, so that no change comes in between: that
// takes it about 0.6 ms for a room of 10,000. It fails where Redis is there and does not answer in time.
func (u *Users) GetRoomUsers(ctx context.Context, room string) ([]store.User, error) {
	prefix := sized(room)
	from, to := lexRange(prefix)
	members, err := texts(u.link.Do(ctx, "zrangebylex", u.keys.rooms, from, to))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && u.link.Up():
		return nil, fmt.Errorf("users of a room: %w", err)
	case err != nil:
		return u.local.list(room), nil
	}
	for i, member := range members {
		members[i] = member[len(prefix):]
	}
	return u.local.listed(room, members, u.behind()), nil
}

// Repaired gets something when Redis knows what is true of rooms whose lists may have been wrong: those of [Users.TakeRepaired].
func (u *Users) Repaired() <-chan struct{} { return u.repairs.ready }

// TakeRepaired returns the rooms whose lists are right again, each time others.
func (u *Users) TakeRepaired() []string {
	u.repairs.mu.Lock()
	defer u.repairs.mu.Unlock()
	rooms := u.repairs.right
	u.repairs.right = nil
	return rooms
}

// behind reports whether Redis may not know what has happened here.
func (u *Users) behind() bool { return u.faults.Load() != u.repaired.Load() }

// fault notes that a change in a room went past Redis, and returns what is known of the user's place then.
func (u *Users) fault(err error, room string) int64 {
	u.faults.Add(1)
	u.repairs.touch(room)
	u.repairs.soon()
	if err == redislink.ErrAway { // as it is: it was not even tried. Wrapped, it says that no answer came.
		return seqNone
	}
	return seqUnsure
}

// state is told by the link. What happens while it is away is not in Redis, and Redis may come back without its data.
func (u *Users) state(up bool) {
	if !up {
		u.faults.Add(1)
		return
	}
	u.repairs.now()
}
