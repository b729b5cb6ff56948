package tap

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"signalbox/handlers/message"
)

const (
	// replayMessages and replayBytes bound what is kept for streams that come back.
	replayMessages = 256
	replayBytes    = 1 << 20
	// moment is how far back a record's id says which messages of other nodes came before it. Messages may differ by
	// half of it in how long they take from node to node.
	moment = 2 * time.Second
	// maxPlaces bounds the nodes in an id.
	maxPlaces = 16
)

// process is one that messages of /tap came in at.
type process struct {
	began int64 // in milliseconds since 1970: tells the ids of a process from those of an earlier one
	// tag tells nodes of a cluster apart that began at the same moment; "" without a cluster.
	tag string
}

// place is the place of a message among those that came in at the same process: the first has the number 1.
type place struct {
	run    process
	number uint64
}

// buffer keeps the latest messages of /tap for streams that come back, in the order in which this node has sent them.
//
// The id of a record is the place of its message. In a cluster the places of the latest messages of other processes follow,
// where they came within the last moment: nodes do not agree on the order of messages that come in at several of them at
// once, so the id of the last record alone would not tell another node what a stream has seen.
type buffer struct {
	run     process
	last    uint64   // the number of the newest message that came in here
	records []record // oldest first
	size    int      // the bytes of the records
	latest  []arrival
}

// record is one record as streams get it.
type record struct {
	arrival
	text []byte
}

// arrival is when a message came to this node.
type arrival struct {
	place
	at time.Time
}

func newBuffer(clustered bool) buffer {
	b := buffer{run: process{began: time.Now().UnixMilli()}}
	if clustered {
		b.run.tag = strings.ToLower(rand.Text()[:6])
	}
	return b
}

// next returns the place of the next message that comes in here.
func (b *buffer) next() place {
	b.last++
	return place{b.run, b.last}
}

// add keeps a message, JSON on one line, and returns its record.
func (b *buffer) add(place place, data []byte) []byte {
	now := arrival{place, time.Now()}
	// The latest of each process that was heard of within the moment, oldest first.
	b.latest = slices.DeleteFunc(b.latest, func(a arrival) bool {
		return a.run == place.run || now.at.Sub(a.at) > moment
	})
	b.latest = append(b.latest, now)
	var id []byte
	for _, a := range slices.Backward(b.latest[max(0, len(b.latest)-maxPlaces):]) {
		if len(id) > 0 {
			id = append(id, ',')
		}
		id = appendPlace(id, a.place)
	}
	r := record{now, message.AppendRecord(nil, string(id), "", data)}
	b.records = append(b.records, r)
	b.size += len(r.text)
	drop := 0
	for len(b.records)-drop > replayMessages || b.size > replayBytes {
		b.size -= len(b.records[drop].text)
		b.records[drop] = record{}
		drop++
	}
	b.records = b.records[drop:]
	return r.text
}

// missed returns the kept records that a stream has not seen whose last had this id. An id of an earlier process that is
// not known here makes all of them new to the client; one that was never given out gets nothing.
//
// Without a cluster, and for what came in at the process of the last record, that is exact. Of what came in elsewhere it is
// exact as long as messages differ by no more than half a moment in how long they take to this node and to the one that
// gave the id.
//
// Rule: [WHATWG HTML, Last-Event-ID].
//
// [WHATWG HTML, Last-Event-ID]: https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header
func (b *buffer) missed(lastID string) []byte {
	places := parsePlaces(lastID)
	if len(places) == 0 {
		return nil
	}
	seen := make(map[process]uint64, len(places))
	for _, p := range places {
		seen[p.run] = p.number
	}
	// Where the last record was here, or would have been.
	last := places[0]
	at, from := -1, time.Time{}
	known := false
	for i, r := range b.records {
		if r.run == last.run {
			known = true
			if r.number <= last.number {
				at, from = i, r.at.Add(-moment/2)
			}
		}
	}
	if !known && (last.run == b.run && last.number > b.last || last.run.tag == "" && last.run.began > b.run.began) {
		return nil
	}
	var missed []byte
	for i, r := range b.records {
		number, ok := seen[r.run]
		if ok && r.number > number || !ok && (i > at || r.at.After(from)) {
			missed = append(missed, r.text...)
		}
	}
	return missed
}

// appendPlace appends a place as it stands in ids.
func appendPlace(dst []byte, p place) []byte {
	dst = strconv.AppendInt(dst, p.run.began, 36)
	if p.run.tag != "" {
		dst = append(dst, '.')
		dst = append(dst, p.run.tag...)
	}
	dst = append(dst, '-')
	return strconv.AppendUint(dst, p.number, 10)
}

// parsePlaces reads an id, nil where it is none of ours.
func parsePlaces(id string) []place {
	var places []place
	for text := range strings.SplitSeq(id, ",") {
		p, ok := parsePlace(text)
		if !ok || len(places) == maxPlaces {
			return nil
		}
		places = append(places, p)
	}
	return places
}

func parsePlace(text string) (place, bool) {
	run, number, _ := strings.Cut(text, "-")
	run, tag, tagged := strings.Cut(run, ".")
	if tagged && !isTag(tag) {
		return place{}, false
	}
	began, err := strconv.ParseInt(run, 36, 64)
	if err != nil {
		return place{}, false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return place{}, false
	}
	return place{process{began, tag}, n}, true
}

func isTag(tag string) bool {
	return tag != "" && len(tag) <= 16 && !strings.ContainsFunc(tag, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') })
}

// appendTold appends what other nodes are told of a message: its place, a line break and the message.
func appendTold(dst []byte, place place, data []byte) []byte {
	dst = append(appendPlace(dst, place), '\n')
	return append(dst, data...)
}

// parseTold reads what appendTold has written. Line breaks in a message would end its record.
func parseTold(body []byte) (place, []byte, bool) {
	id, data, ok := bytes.Cut(body, []byte{'\n'})
	if !ok || len(data) == 0 || bytes.ContainsAny(data, "\r\n") {
		return place{}, nil, false
	}
	place, ok := parsePlace(string(id))
	return place, data, ok
}
