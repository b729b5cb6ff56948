package redislink

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxPending is how many changes may wait for slow functions of OnState before pairs of them are left out.
const maxPending = 16

// state puts together what the writer and the subscribers know into whether Redis is there, says so in the log once per
// change, and tells those who registered.
type state struct {
	// Static after construction.
	log  *slog.Logger
	lost func() uint64
	wake chan struct{}

	downs atomic.Uint64 // written under mu

	// mu guards the following.
	mu       sync.Mutex
	writer   bool
	behind   map[any]struct{} // subscribers that are not subscribed to all they want, and readers of streams
	up       bool
	since    time.Time
	reason   string
	reasons  map[string]struct{} // that were logged since it went away
	lostThen uint64              // lost when it went away
	changes  []change            // not yet told
	fresh    []func(up bool)     // registered, and not yet told anything
	told     []func(up bool)     // registered, and told of up once at least
}

// change is something to say to the log, and to functions where it is one of up.
type change struct {
	flip, up bool
	first    bool          // up, and nothing was wrong before
	away     time.Duration // up: how long it was not
	lost     uint64        // up: how much was lost meanwhile
	reason   string        // down: why; empty where that was said
	again    bool          // down: another reason than before
}

func newState(log *slog.Logger, lost func() uint64) *state {
	return &state{
		log: log, lost: lost, wake: make(chan struct{}, 1), since: time.Now(),
		behind: map[any]struct{}{}, reasons: map[string]struct{}{},
	}
}

func (s *state) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up
}

func (s *state) stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Up: s.up, Since: s.since, Reason: s.reason, Downs: s.downs.Load()}
}

func (s *state) register(f func(up bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = append(s.fresh, f)
	s.wakeLocked()
}

// setWriter is called by the writer; err says why it is not well.
func (s *state) setWriter(well bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = well
	s.evaluateLocked(err)
}

// setSubscriber is called by a subscriber, with whether it is subscribed to all it wants; err says why it is not.
func (s *state) setSubscriber(sub any, well bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if well {
		delete(s.behind, sub)
	} else {
		s.behind[sub] = struct{}{}
	}
	s.evaluateLocked(err)
}

// evaluateLocked notes what has changed. err is nil where something has become well.
func (s *state) evaluateLocked(err error) {
	up := s.writer && len(s.behind) == 0
	now := time.Now()
	if up != s.up {
		c := change{flip: true, up: up, away: now.Sub(s.since), lost: s.lost() - s.lostThen, first: up && s.reason == ""}
		s.up, s.since = up, now
		if up {
			s.reason = ""
			clear(s.reasons)
		} else {
			s.downs.Add(1)
			s.lostThen = s.lost()
		}
		if up || err == nil {
			s.noteLocked(c)
		} else {
			s.noteReasonLocked(c, err)
		}
		return
	}
	if !up && err != nil {
		s.noteReasonLocked(change{}, err)
	}
}

// noteReasonLocked says why Redis is away, each cause once until it is back.
func (s *state) noteReasonLocked(c change, err error) {
	s.reason = explain(err)
	if _, said := s.reasons[s.reason]; !said && len(s.reasons) < maxPending {
		s.reasons[s.reason] = struct{}{}
		c.reason, c.again = s.reason, len(s.reasons) > 1
	}
	if c.flip || c.reason != "" {
		s.noteLocked(c)
	}
}

func (s *state) noteLocked(c change) {
	s.changes = append(s.changes, c)
	if len(s.changes) > maxPending && s.changes[0].flip && s.changes[1].flip {
		s.changes = s.changes[2:]
	}
	s.wakeLocked()
}

func (s *state) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run tells of changes until ctx ends. It alone writes to the log and calls functions, with no lock held.
func (s *state) run(ctx context.Context) {
	up := false // what was told last
	for {
		c, some, late := s.next(up)
		for _, f := range late {
			f(true)
		}
		switch {
		case some:
			s.report(ctx, c)
			if c.flip {
				up = c.up
				for _, f := range s.listeners(up) {
					f(up)
				}
			}
		case len(late) == 0:
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			}
		}
	}
}

// next takes the next change, where there is one, and those who registered since while it was up and are to be told so.
func (s *state) next(up bool) (c change, some bool, late []func(bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up && len(s.fresh) > 0 {
		late, s.fresh = s.fresh, nil
		s.told = append(s.told, late...)
		return c, false, late
	}
	if len(s.changes) == 0 {
		return c, false, nil
	}
	c = s.changes[0]
	s.changes = s.changes[1:]
	return c, true, nil
}

// listeners returns whom to tell: going down is told to those alone who know that it was up.
func (s *state) listeners(up bool) []func(bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up {
		s.told = append(s.told, s.fresh...)
		s.fresh = nil
	}
	return s.told
}

// report writes one change to the log.
func (s *state) report(ctx context.Context, c change) {
	switch {
	case c.flip && c.up && c.first:
		s.log.LogAttrs(ctx, slog.LevelInfo, "redis is there")
	case c.flip && c.up:
		s.log.LogAttrs(ctx, slog.LevelInfo, "redis is back",
			slog.Duration("after", c.away.Round(time.Millisecond)), slog.Uint64("commands_lost", c.lost))
	case c.reason != "" && !c.again:
		s.log.LogAttrs(ctx, slog.LevelError, "redis away; messages reach clients of this node only", slog.String("reason", c.reason))
	case c.reason != "":
		s.log.LogAttrs(ctx, slog.LevelWarn, "redis is still away", slog.String("reason", c.reason))
	}
}
