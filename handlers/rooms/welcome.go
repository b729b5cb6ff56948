package rooms

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"signalbox/server/app"
	"signalbox/store"
)

const (
	// clockSkew is how far the clocks of two nodes may be apart.
	clockSkew = 2 * time.Second
	// maxOnTheWay is how long, by the clocks of two nodes, a message takes at most from the history to the last client.
	maxOnTheWay = time.Minute
	// maxSeen bounds how many messages are remembered as seen for one client.
	maxSeen = 4096
)

// joinRoom puts the client into a room and gives it the newest messages there. It gets each message in the history or
// after it, never both: what is sent meanwhile, by this node or another, waits until the history is read, and goes out
// then unless it was in there.
func (s *chatClient) joinRoom(e *app.Event) error {
	raw := e.Argument()
	room, err := roomName(raw)
	if err != nil {
		return err
	}
	s.peer.DeferDelivery()
	defer func() { s.peer.ResumeDelivery(s.seen.skip(time.Now())) }()
	start := time.Now()
	if err := s.join(room, raw); err != nil {
		return err
	}
	page := s.rooms.newest(room)
	s.seen.add(time.Now(), s.rooms.seenSince(room, page, start))
	l := s.rooms.lock(room)
	l.Lock()
	defer l.Unlock() // whatever of this node the page has was sent, and waits
	s.welcome(raw, page)
	return nil
}

// welcome gives the client a room's newest messages.
func (s *chatClient) welcome(raw json.RawMessage, newest []store.Message) {
	b := append([]byte(`{"roomId":`), raw...)
	b = append(b, `,"messages":`...)
	b = store.AppendMessages(b, pageOf(newest))
	_ = s.peer.Emit("room_history", json.RawMessage(append(b, '}'))) // an ended connection is told through Close
}

// newest returns the newest messages of a room. What cannot be read is missing and counted.
func (r *Rooms) newest(room string) []store.Message {
	ctx, cancel := context.WithTimeout(context.Background(), historyTimeout)
	defer cancel()
	messages, err := r.history.Last(ctx, room, historyLength)
	if err != nil {
		r.historyFailed(err) // what could be read is better than nothing
	}
	return messages
}

// seenSince returns the ids of those messages of a room that somebody who was in it before newest was read must not be
// given after it: what is in newest and so young that it may still be on its way, and, where that much was said
// since start that not all of it is among the newest, what came right before.
func (r *Rooms) seenSince(room string, newest []store.Message, start time.Time) map[string]struct{} {
	var ids map[string]struct{}
	note := func(messages []store.Message) {
		for i := range messages {
			if messages[i].Time.Before(start.Add(-maxOnTheWay)) {
				continue
			}
			if ids == nil {
				ids = make(map[string]struct{}, len(messages))
			}
			ids[strings.Clone(messages[i].ID)] = struct{}{} // it would hold the whole message
		}
	}
	note(newest)
	page, full := newest, len(newest) == historyLength
	for full && len(ids) < maxSeen && !page[0].Time.Before(start.Add(-clockSkew)) {
		ctx, cancel := context.WithTimeout(context.Background(), historyTimeout)
		older, err := r.history.Before(ctx, room, store.Cursor{ID: page[0].ID}, maxPage)
		cancel()
		note(older)
		page, full = older, err == nil && len(older) == maxPage
	}
	return ids
}

// seen are ids of messages that one client got as history a moment ago. It belongs to the goroutine that reads from the
// client; the maps in it are never changed.
type seen struct {
	ids   map[string]struct{}
	until time.Time
}

// add remembers more ids for a while.
func (s *seen) add(now time.Time, ids map[string]struct{}) {
	if len(ids) == 0 {
		return
	}
	if old := s.ids; now.Before(s.until) && len(old)+len(ids) <= maxSeen {
		ids = maps.Clone(ids)
		maps.Copy(ids, old)
	}
	s.ids, s.until = ids, now.Add(app.DeferGrace)
}

// skip returns what knows the ids, nil for none.
func (s *seen) skip(now time.Time) func(id string) bool {
	if !now.Before(s.until) {
		s.ids = nil
	}
	ids := s.ids
	if len(ids) == 0 {
		return nil
	}
	return func(id string) bool {
		_, ok := ids[id]
		return ok
	}
}
