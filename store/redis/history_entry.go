package redis

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"signalbox/store/internal/recent"
)

const (
	// messageBytes is what a message counts for beside its id and JSON.
	messageBytes = 96
	// roomBytes is what a room counts for beside its name, which is in four places.
	roomBytes = 512

	// milliZero is added to times, so that each has 16 digits and texts are in the order of times.
	milliZero = 1_000_000_000_000_000
	maxMilli  = 9*milliZero - 1
	minMilli  = -milliZero
)

var errHistoryReply = errors.New("history: unexpected reply")

// entryBytes returns what a message counts for against the limits.
func entryBytes(e *recent.Entry) int64 { return int64(len(e.ID)+len(e.JSON)) + messageBytes }

// appendMilli appends a time as heads have it.
func appendMilli(dst []byte, milli int64) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], max(minMilli, min(milli, maxMilli))+milliZero, 10)
	for range 16 - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

const tokenLetters = 21

// appendToken appends the token of the message number seq of a writer, whose name has 12 letters.
func appendToken(dst []byte, writer string, seq int64) []byte {
	var digits [16]byte
	text := strconv.AppendInt(digits[:0], seq, 36)
	dst = append(dst, writer...)
	for range tokenLetters - len(writer) - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// appendHead appends the head of a message: its time, its token, what it counts for, and its id, which ends the head and
// may have any bytes.
func appendHead(dst []byte, writer string, seq int64, e *recent.Entry) []byte {
	dst = appendMilli(dst, e.Milli)
	dst = append(dst, ' ')
	dst = appendToken(dst, writer, seq)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, entryBytes(e), 10)
	dst = append(dst, ' ')
	return append(dst, e.ID...)
}

// parseHead reads time and id from a head, and reports whether it is one.
func parseHead(head string) (e recent.Entry, ok bool) {
	const token, size = 16 + 1, 16 + 1 + tokenLetters + 1 // where they begin
	if len(head) < size || head[token-1] != ' ' || head[size-1] != ' ' || strings.IndexByte(head[token:size-1], ' ') >= 0 {
		return recent.Entry{}, false
	}
	bytes, id, ok := strings.Cut(head[size:], " ")
	if !ok {
		return recent.Entry{}, false
	}
	at, err := strconv.ParseUint(head[:token-1], 10, 63)
	if err != nil {
		return recent.Entry{}, false
	}
	if _, err := strconv.ParseUint(bytes, 10, 63); err != nil {
		return recent.Entry{}, false
	}
	return recent.Entry{ID: id, Milli: int64(at) - milliZero}, true
}

// page is what a room has in Redis of a page.
type page struct {
	// mark is the number of the newest message of this writer that was in the lane of the room.
	mark int64
	// found says by what the place was found: "last", "id", "time", or "": not at all.
	found string
	// newer counts the messages behind the page.
	newer int
	// damaged counts what was no message.
	damaged int
	// entries are oldest first.
	entries []recent.Entry
}

// parsePage reads a page as the script returns it.
func parsePage(reply any) (*page, error) {
	items, ok := reply.([]any)
	if !ok || len(items) < 3 {
		return nil, fmt.Errorf("%w: no page but a %T", errHistoryReply, reply)
	}
	p := new(page)
	var isText bool
	p.found, isText = items[1].(string)
	mark, isMark := items[0].(int64)
	newer, isNewer := items[2].(int64)
	if !isText || !isMark || !isNewer || mark < 0 || newer < 0 {
		return nil, fmt.Errorf("%w: a page without its head", errHistoryReply)
	}
	p.mark, p.newer = mark, int(newer)
	lists := items[3:]
	for i := 0; i+1 < len(lists); i += 2 {
		heads, isHeads := lists[i].([]any)
		bodies, isBodies := lists[i+1].([]any)
		if !isHeads || !isBodies || len(heads) != len(bodies) {
			return nil, fmt.Errorf("%w: a page with a %T and a %T", errHistoryReply, lists[i], lists[i+1])
		}
		p.entries = slices.Grow(p.entries, len(heads))
		for j := range heads {
			p.add(heads[j], bodies[j])
		}
	}
	slices.Reverse(p.entries)
	return p, nil
}

// add adds a message.
func (p *page) add(head, body any) {
	text, _ := head.(string)
	e, isHead := parseHead(text)
	var isText bool
	if e.JSON, isText = body.(string); !isHead || !isText { // nil: it is not there
		p.damaged++
		return
	}
	p.entries = append(p.entries, e)
}

// sums are the messages and bytes of the rooms of a lane.
type sums struct{ messages, bytes int64 }

// parseStatus reads what the scripts that write return.
func parseStatus(reply any) (status int64, s sums, err error) {
	items, ok := reply.([]any)
	if !ok || len(items) != 3 {
		return 0, s, fmt.Errorf("%w: no status but a %T", errHistoryReply, reply)
	}
	for i, to := range []*int64{&status, &s.messages, &s.bytes} {
		if *to, ok = items[i].(int64); !ok {
			return 0, s, fmt.Errorf("%w: a status with a %T", errHistoryReply, items[i])
		}
	}
	return status, s, nil
}
