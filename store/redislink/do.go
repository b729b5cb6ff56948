package redislink

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
)

// Do carries out a command and waits for its reply: a string, an int64, an []any of those, or nil for what is not there.
// Arguments are as those of a [Command]. All calls share one connection to each Redis, which is not the one for what is
// queued, so they keep no order with that; many calls may be under way at a time. The reply is waited for until ctx ends, for
// Timeout at most.
//
// It returns [ErrAway] at once while Redis is away, and wraps it where Redis did not answer in time or went away during the
// call: it may have carried the command out then. What Redis has refused is an [Error].
func (l *Link) Do(ctx context.Context, args ...any) (any, error) {
	replies, err := l.DoAll(ctx, args)
	if err != nil {
		return nil, err
	}
	return replies[0], nil
}

// DoAll is Do for several commands, which are written together. The first refusal is returned as its error; the other
// commands are carried out all the same.
func (l *Link) DoAll(ctx context.Context, cmds ...[]any) (replies []any, err error) {
	err = l.wait(ctx, func(ctx context.Context) (err error) {
		if replies, err = l.topology.ask(ctx, cmds); err != nil {
			return err
		}
		for _, reply := range replies {
			if err := errorOf(reply); err != nil {
				return err
			}
		}
		return nil
	})
	return replies, err
}

// wait calls f, which waits for Redis, and makes of its error what callers are to know.
func (l *Link) wait(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.queue.accepts() {
		return l.away()
	}
	limited, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	err := f(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err // it was the caller's time that was over
	case l.ctx.Err() != nil:
		return l.away()
	case turnsAway(err), isNetwork(err):
		l.doubt()
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// isNetwork reports whether an error says that a connection broke or did not answer.
func isNetwork(err error) bool {
	var network net.Error
	return !isReply(err) && (errors.As(err, &network) || isTimeout(err) || isEnd(err))
}

// Script is a script in Lua. Redis keeps its text, and is told its name alone once it knows it.
type Script struct{ text, name string }

// NewScript makes one.
func NewScript(text string) *Script {
	sum := sha1.Sum([]byte(text)) // how Redis calls it
	return &Script{text: text, name: hex.EncodeToString(sum[:])}
}

// Text returns the text of the script.
func (s *Script) Text() string { return s.text }

// Name returns what EVALSHA calls the script.
func (s *Script) Name() string { return s.name }

// Run runs a script and waits for its reply, as [Link.Do] does for that of a command.
func (l *Link) Run(ctx context.Context, s *Script, keys []string, args ...any) (any, error) {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", s.name, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	all = append(all, args...)
	reply, err := l.Do(ctx, all...)
	if HasPrefix(err, "NOSCRIPT") {
		all[0], all[1] = "eval", s.text
		reply, err = l.Do(ctx, all...)
	}
	return reply, err
}

// NumSub returns how many connections are subscribed to channel, with SSUBSCRIBE where sharded; patterns do not count. In
// a Redis Cluster it is the sum over all nodes. Errors are those of [Link.Do].
func (l *Link) NumSub(ctx context.Context, sharded bool, channel string) (int64, error) {
	counts, err := l.NumSubs(ctx, sharded, channel)
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

// NumSubs is NumSub for several channels at once.
func (l *Link) NumSubs(ctx context.Context, sharded bool, channels ...string) (n []int64, err error) {
	err = l.wait(ctx, func(ctx context.Context) (err error) {
		n, err = l.topology.numSubs(ctx, sharded, channels)
		return err
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}
