package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"signalbox/store/redislink"
)

var (
	scriptRegister = script("head", "registry", "register")
	scriptBeat     = script("head", "registry", "beat")
)

// What lua/beat.lua and lua/register.lua reply, besides Redis' clock.
const (
	beatWell = iota
	beatLate
	beatDead
	beatLost
)

// noticesPutOff is the time between two commands that keep the notices from expiring.
const noticesPutOff = keyLife / 24

// beatLoop registers the node and renews its lease until the node ends or leaves.
func (n *Node) beatLoop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var said string
	var putOff time.Time
	for {
		select {
		case <-timer.C:
		case <-n.back:
		case <-n.ctx.Done():
			return
		}
		start := time.Now()
		next := n.o.Beat
		if err := n.beatOnce(); err != nil {
			next = n.o.Beat / 4
			said = n.complain(err, said)
			if n.contact.lost(time.Now()) {
				n.dropWork()
			}
		} else {
			said = ""
			if start.Sub(putOff) > noticesPutOff {
				putOff = start
				n.notices.putOff()
			}
		}
		timer.Reset(max(next-time.Since(start), n.o.Beat/8))
	}
}

// complain logs an error that says more than that Redis is away, which the link does, each once in a row.
func (n *Node) complain(err error, said string) string {
	if errors.Is(err, redislink.ErrAway) || n.ctx.Err() != nil || err.Error() == said {
		return said
	}
	n.log.Error("node not registered in redis", "error", err)
	return err.Error()
}

// beatOnce registers the node where it is not, or else renews its lease.
func (n *Node) beatOnce() error {
	n.mu.Lock()
	me, next, at := n.meLocked(), n.next, n.at
	n.mu.Unlock()
	if next != "" {
		return n.register(next)
	}
	state, clock, err := runBeat(n.ctx, n.o.Link, scriptBeat, n.keys.all(), me.node, me.run, n.o.Lease.Milliseconds(), at)
	if err != nil {
		return err
	}
	switch state {
	case beatWell, beatLate:
		n.contact.touch(time.Now(), clock, state == beatLate)
		if state == beatLate {
			n.dropWork()
		}
		if n.pending() {
			n.wakeRestore()
		}
		return nil
	case beatDead, beatLost:
		return n.comeBack(me, state == beatDead)
	}
	return unexpected(state)
}

// comeBack registers the node again, under a new name: nothing is written any more where others may be reading.
func (n *Node) comeBack(me incarnation, declaredDead bool) error {
	n.dropWork()
	n.mu.Lock()
	n.next = newIncarnation()
	next := n.next
	n.returned, n.wasDead = true, n.wasDead || declaredDead
	n.old = append(n.old, me.run)
	n.mu.Unlock()
	n.log.LogAttrs(n.ctx, slog.LevelWarn, "node has to be registered again", slog.Bool("declared_dead", declaredDead))
	return n.register(next)
}

// register registers the node. Where no answer comes it is done again with the same name.
func (n *Node) register(run string) error {
	state, clock, err := runBeat(n.ctx, n.o.Link, scriptRegister, n.keys.all(), n.o.ID, run, n.o.Lease.Milliseconds())
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if state != beatWell {
		return unexpected(state)
	}
	n.contact.touch(time.Now(), clock, true)
	n.mu.Lock()
	n.run, n.next = run, ""
	n.mu.Unlock()
	select {
	case n.arrived <- struct{}{}:
	default: // it is about to look
	}
	n.notices.register(noticeKeysOf(n.o.Prefix, run))
	n.wakeRestore()
	return nil
}

// runBeat runs one of the two scripts that reply with a state and with Redis' clock in ms.
func runBeat(ctx context.Context, l *redislink.Link, s *redislink.Script, keys []string, args ...any) (state, clock int64, err error) {
	reply, err := runTexts(ctx, l, s, keys, args...)
	if err != nil {
		return 0, 0, err
	}
	if len(reply) != 2 {
		return 0, 0, unexpected(reply)
	}
	state, err = strconv.ParseInt(reply[0], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errReply, err)
	}
	clock, err = strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errReply, err)
	}
	return state, clock, nil
}
