package redis

import (
	"context"
	"slices"
	"strings"

	"signalbox/store"
)

var (
	scriptForget  = script("head", "users", "forget")
	scriptRestore = script("head", "users", "restore")
	scriptRelease = script("head", "users", "release")
)

const (
	// usersPerScript is how many users one script writes or removes. That holds Redis up for 1 to 2 ms, see BenchmarkScripts.
	usersPerScript = 100
	// usersPerRead is how many are read at once.
	usersPerRead = 1000
)

// Repair makes Redis hold the users of this node, as this node knows them: what it lacks is written, in the order of login
// and at the old place of whoever had one; what it has too many is removed. It returns the first error, and may be called
// again at any time; users may come and go meanwhile. On a node that is leaving it adds nobody.
//
// It is to be called when [NodeCalls.OnReturn] says that this node is registered again. After the link was away, and where
// Redis has refused a change or not answered, it is called by itself until it has succeeded.
func (u *Users) Repair(ctx context.Context) error {
	u.repairing.Lock()
	defer u.repairing.Unlock()
	faults := u.faults.Load()
	has, stale, err := u.compare(ctx)
	if err != nil {
		return err
	}
	for ids := range slices.Chunk(stale, usersPerScript) {
		if err := u.forget(ctx, ids); err != nil {
			return err
		}
	}
	for ids := range slices.Chunk(u.local.missing(has), usersPerScript) {
		if err := u.restore(ctx, ids); err != nil {
			return err
		}
	}
	u.repaired.Store(faults)
	u.repairs.succeeded()
	u.local.clearDeparted(func() bool { return !u.behind() })
	return nil
}

// compare reads the users of this node from Redis: those who are here, and the ids of the others.
func (u *Users) compare(ctx context.Context) (has map[string]struct{}, stale []string, err error) {
	prefix := sized(u.node)
	from, to := lexRange(prefix)
	has = make(map[string]struct{})
	seen := make(map[string]struct{}) // an id may be stale twice
	for {
		members, err := texts(u.link.Do(ctx, "zrangebylex", u.keys.owners, from, to, "limit", 0, usersPerRead))
		if err != nil {
			return nil, nil, err
		}
		for _, member := range members {
			there, ok := ownedOf(member[len(prefix):])
			if !ok {
				continue
			}
			if here, _, is := u.local.find(there.ID); is && here == there {
				has[there.ID] = struct{}{}
			} else if _, twice := seen[there.ID]; !twice {
				u.repairs.touch(there.Room)
				seen[there.ID] = struct{}{}
				stale = append(stale, there.ID)
			}
		}
		if len(members) < usersPerRead {
			return has, stale, nil
		}
		from = "(" + members[len(members)-1]
	}
}

// forget removes those of ids who are not users of this node from Redis, as far as they are kept as this node's.
func (u *Users) forget(ctx context.Context, ids []string) error {
	release, err := u.local.hold(ctx, ids...)
	if err != nil {
		return err
	}
	defer release()
	args := append(make([]any, 0, len(ids)+1), u.node)
	for _, id := range ids {
		if _, _, is := u.local.find(id); !is { // else it is written right
			args = append(args, id)
		}
	}
	_, err = u.link.Run(ctx, scriptForget, u.keys.all(), args...)
	return err
}

// restore writes those of ids who are users of this node.
func (u *Users) restore(ctx context.Context, ids []string) error {
	release, err := u.local.hold(ctx, ids...)
	if err != nil {
		return err
	}
	defer release()
	users := u.local.restorables(ids)
	if len(users) == 0 {
		return nil
	}
	args := append(make([]any, 0, 4*len(users)+1), u.node)
	for _, user := range users {
		u.repairs.touch(user.Room)
		args = append(args, user.ID, user.Room, user.Name, formatSeq(user.seq))
	}
	reply, err := runTexts(ctx, u.link, scriptRestore, u.keys.all(), args...)
	if err != nil {
		return err
	}
	for i, text := range reply {
		if text == "" || i >= len(users) {
			continue
		}
		seq, err := parseSeq(text)
		if err != nil {
			return err
		}
		u.local.setSeq(users[i].ID, seq)
	}
	return nil
}

// Release takes the users of a node that is dead out of the store and returns them in the order of their login. The users of a
// node that is registered stay: it has come back. With an error come those who were taken out before it; the others are given
// to some node in the next OnDead. Where two nodes release the same node at once, each user is returned to one of them.
func (u *Users) Release(ctx context.Context, node string) ([]store.User, error) {
	type released struct {
		store.User
		seq string
	}
	var all []released
	users := func() []store.User {
		slices.SortFunc(all, func(a, b released) int { return strings.Compare(a.seq, b.seq) })
		list := make([]store.User, len(all))
		for i := range all {
			list[i] = all[i].User
		}
		return list
	}
	for {
		reply, err := runTexts(ctx, u.link, scriptRelease, u.keys.all(), node, usersPerScript)
		if err != nil {
			return users(), err
		}
		if len(reply) == 0 || reply[0] == "0" {
			return users(), nil
		}
		for r := range slices.Chunk(reply[1:], 4) {
			if len(r) == 4 {
				all = append(all, released{User: store.User{ID: r[1], Room: r[2], Name: r[3]}, seq: r[0]})
			}
		}
	}
}
