package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"signalbox/store/redislink"
)

// surveyRooms is how many rooms of each lane a survey tells of.
const surveyRooms = 16

// oldRoom is a room that has waited long for a message.
type oldRoom struct {
	lane     int
	name     string
	written  string  // the second when, as Redis has it
	noted    string  // what Redis has noted of its size
	at       float64 // when it was written to, in seconds
	messages int64
	bytes    int64 // with what the room itself counts for
	last     bool  // the lane has more rooms, which are not told of
}

// survey is what Redis has of all rooms.
type survey struct {
	lanes   [historyLanes]sums
	rooms   int64
	now     float64   // the time in Redis, in seconds
	waiting []oldRoom // those that waited longest first
}

// pruneLoop looks after the bounds on all rooms, and after rooms that nobody writes to any more. Every node does; that
// two do so at once costs a little and does no harm, for a room goes only if it is as it was when it was looked at.
func (h *History) pruneLoop() {
	tick := time.NewTicker(h.options.surveyEvery)
	defer tick.Stop()
	gap := time.NewTimer(0)
	defer gap.Stop()
	for {
		select {
		case <-h.over:
		case <-tick.C:
			h.mu.Lock()
			idle := !h.appended
			h.appended = false
			h.mu.Unlock()
			if idle { // then others look, if anybody does
				continue
			}
		case <-h.ctx.Done():
			return
		}
		if err := h.prune(h.ctx); err != nil && h.ctx.Err() == nil {
			h.mu.Lock()
			if !errors.Is(err, redislink.ErrAway) {
				h.stats.Failures++
			}
			h.appended = true // look again
			h.mu.Unlock()
		}
		gap.Reset(h.options.surveyGap)
		select {
		case <-gap.C:
		case <-h.ctx.Done():
			return
		}
	}
}

// prune takes out what is over the bounds.
func (h *History) prune(ctx context.Context) error {
	for {
		s, err := h.survey(ctx)
		if err != nil {
			return err
		}
		victims := s.victims(int64(h.limits.Messages), h.limits.Bytes)
		if len(victims) == 0 {
			return nil
		}
		gone, err := h.evict(ctx, victims)
		if err != nil {
			return err
		}
		if gone == 0 { // somebody else was faster, or they were written to
			return nil
		}
	}
}

// survey asks all lanes, in one round trip to each server.
func (h *History) survey(ctx context.Context) (*survey, error) {
	cmds := make([][]any, historyLanes)
	for i := range cmds {
		k := &h.keys.lanes[i]
		cmds[i] = []any{"eval", historySurveySource, 2, k.rooms, k.sizes, surveyRooms}
	}
	replies, err := h.link.DoAll(ctx, cmds...)
	if err != nil {
		return nil, fmt.Errorf("survey history: %w", err)
	}
	s := new(survey)
	for i := range replies {
		if err := s.add(i, replies[i]); err != nil {
			return nil, fmt.Errorf("survey history: %w", err)
		}
	}
	slices.SortStableFunc(s.waiting, func(a, b oldRoom) int { return cmp.Compare(a.at, b.at) })
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range s.lanes {
		h.noteLocked(&h.lanes[i], s.lanes[i])
	}
	select {
	case <-h.over: // what is too much is dealt with now
	default:
	}
	return s, nil
}

// add adds what a lane has told. Rooms that make no sense count for nothing.
func (s *survey) add(lane int, reply any) error {
	items, ok := reply.([]any)
	if !ok || len(items) < 4 {
		return fmt.Errorf("%w: no survey but a %T", errHistoryReply, reply)
	}
	messages, isMessages := items[0].(int64)
	bytes, isBytes := items[1].(int64)
	rooms, isRooms := items[2].(int64)
	now, isNow := items[3].(string)
	second, err := strconv.ParseFloat(now, 64)
	if !isMessages || !isBytes || !isRooms || !isNow || err != nil {
		return fmt.Errorf("%w: a survey without its head", errHistoryReply)
	}
	s.lanes[lane] = sums{messages, bytes}
	s.rooms += rooms
	s.now = max(s.now, second)
	items = items[4:]
	told := len(items) / 3
	for i := range told {
		r := oldRoom{lane: lane, last: i == told-1 && int64(told) < rooms}
		r.name, _ = items[3*i].(string)
		r.written, _ = items[3*i+1].(string)
		r.noted, _ = items[3*i+2].(string)
		if r.at, err = strconv.ParseFloat(r.written, 64); err != nil || math.IsNaN(r.at) {
			r.at = 0
		}
		if noted := strings.Fields(r.noted); len(noted) == 4 {
			r.messages, r.bytes = countOf(noted[0]), countOf(noted[1])+roomCost(r.name)
			r.at = float64(countOf(noted[2])) + float64(countOf(noted[3]))/1e6
		}
		s.waiting = append(s.waiting, r)
	}
	return nil
}

// countOf reads a number of things.
func countOf(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil {
		return 0
	}
	return int64(n)
}

// victims returns the rooms that have to go: those that nobody wrote to for too long, and those that waited longest
// while there is too much in all. The room that was written to last stays.
func (s *survey) victims(messages, bytes int64) (victims []oldRoom) {
	var all sums
	for _, l := range s.lanes {
		all.messages += l.messages
		all.bytes += l.bytes
	}
	rooms := s.rooms
	tooOld := s.now - historyRoomLife.Seconds()
	for _, r := range s.waiting {
		over := all.messages > messages || all.bytes > bytes
		if r.at > tooOld && (!over || rooms <= 1) {
			break
		}
		victims = append(victims, r)
		all.messages -= r.messages
		all.bytes -= r.bytes
		rooms--
		if r.last { // one that is not told of may be next
			break
		}
	}
	return victims
}

// evict takes rooms out, and returns how many there were still.
func (h *History) evict(ctx context.Context, victims []oldRoom) (gone int, err error) {
	cmds := make([][]any, len(victims))
	for i, v := range victims {
		k := &h.keys.lanes[v.lane]
		heads, bodies := h.keys.room(v.lane, v.name)
		cmds[i] = []any{"eval", historyEvictSource, 4, heads, bodies, k.rooms, k.sizes, v.name, v.written, v.noted, roomCost(v.name)}
	}
	replies, err := h.link.DoAll(ctx, cmds...)
	if err != nil {
		return 0, fmt.Errorf("prune history: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, v := range victims {
		status, s, err := parseStatus(replies[i])
		if err != nil {
			return gone, fmt.Errorf("prune history: %w", err)
		}
		h.noteLocked(&h.lanes[v.lane], s)
		if status == 1 {
			gone++
			h.stats.Evicted++
		}
	}
	return gone, nil
}
