package rooms

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"

	"signalbox/server/app"
	"signalbox/server/rawjson"
	"signalbox/store"
)

// older answers room_history_before {roomId, before, limit}: the messages of a room before a message's id, a timestamp
// or milliseconds since 1970; without before the newest ones. limit is 50 where it is left out and at most 200.
// A page of long messages is shorter, see maxPageBytes; one without messages is the end.
//
// Nothing is read for a client that does not listen to the answer.
func (s *chatClient) older(e *app.Event) (json.RawMessage, error) {
	f, ok := rawjson.Fields(e.Argument(), "roomId", "before", "limit")
	if !ok {
		return nil, errMessage
	}
	room, err := roomName(f[0])
	if err != nil {
		return nil, err
	}
	if !s.isIn(room) {
		return nil, errNotMember
	}
	limit, ok := pageLength(f[2], historyLength, maxPage)
	if !ok {
		return nil, errMessage
	}
	cursor, ok := cursorText(f[1])
	if !ok {
		return nil, errCursor
	}
	if !e.Ack.Wanted() {
		return nil, nil
	}
	page, complete, err := s.rooms.before(room, cursor, limit)
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"ok":true,"roomId":`), f[0]...)
	if !complete {
		b = append(b, `,"partial":true`...)
	}
	b = append(b, `,"messages":`...)
	b = append(b, page...)
	return append(b, '}'), nil
}

// before reads a page as a JSON array, and reports whether it is all that there is in its place.
func (r *Rooms) before(room, cursor string, limit int) (page []byte, complete bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), historyTimeout)
	defer cancel()
	var messages []store.Message
	if cursor == "" {
		messages, err = r.history.Last(ctx, room, limit)
	} else {
		messages, err = r.history.Before(ctx, room, store.ParseCursor(cursor), limit)
	}
	switch {
	case err == nil:
	case cursor == "":
		r.historyFailed(err) // what could be read is better than nothing
	case errors.Is(err, store.ErrUnknownMessage):
		return nil, false, errCursor
	case errors.Is(err, store.ErrHistoryClosed):
		return nil, false, errHistory
	default:
		r.historyFailed(err)
	}
	return store.AppendMessages(nil, pageOf(messages)), err == nil, nil
}

// pageOf returns the newest of messages: as many as maxPageBytes hold, and one in any case.
func pageOf(messages []store.Message) []store.Message {
	first, size := len(messages), 0
	for first > 0 {
		size += len(messages[first-1].JSON)
		if size > maxPageBytes && first < len(messages) {
			break
		}
		first--
	}
	return messages[first:]
}

// cursorText returns what a client says it wants the messages before; "" where it says nothing.
func cursorText(raw json.RawMessage) (string, bool) {
	switch {
	case raw == nil || string(raw) == "null":
		return "", true
	case rawjson.IsString(raw):
		text, ok := rawjson.Text(raw)
		return text, ok && text != "" && len(text) <= maxRoomBytes
	case len(raw) > 18: // longer than any time in milliseconds
		return "", false
	default:
		milli, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || milli < 0 || milli > 1e17 {
			return "", false
		}
		return strconv.FormatInt(int64(milli), 10), true
	}
}

// pageLength returns how many of something a client wants: usual where it does not say, and most at most.
func pageLength(raw json.RawMessage, usual, most int) (int, bool) {
	if raw == nil || string(raw) == "null" {
		return usual, true
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || n < 1 || n != math.Trunc(n) {
		return 0, false
	}
	return int(min(n, float64(most))), true
}
