package redislink

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// streamBatch is how many entries of a stream are read at once, and streamBlock how long Redis waits for the next one.
const (
	streamBatch = 500
	streamBlock = time.Second
)

// StreamID is the id of an entry of a stream.
type StreamID struct{ Millis, Seq uint64 }

// ParseStreamID reads an id.
func ParseStreamID(text string) (id StreamID, ok bool) {
	millis, seq, ok := strings.Cut(text, "-")
	var err, err2 error
	id.Millis, err = strconv.ParseUint(millis, 10, 64)
	id.Seq, err2 = strconv.ParseUint(seq, 10, 64)
	return id, ok && err == nil && err2 == nil
}

func (id StreamID) String() string {
	return strconv.FormatUint(id.Millis, 10) + "-" + strconv.FormatUint(id.Seq, 10)
}

// Before reports whether an entry with id comes before one with other.
func (id StreamID) Before(other StreamID) bool {
	return id.Millis < other.Millis || id.Millis == other.Millis && id.Seq < other.Seq
}

// StreamEntry is an entry of a stream: names of fields and values in turn.
type StreamEntry struct {
	ID     StreamID
	Fields []any
}

// Field returns the value of a field, "" where there is none.
func (e *StreamEntry) Field(name string) string {
	for i := 0; i+1 < len(e.Fields); i += 2 {
		if e.Fields[i] == name {
			value, _ := e.Fields[i+1].(string)
			return value
		}
	}
	return ""
}

// StreamEntries reads a reply to XRANGE or XREVRANGE, or the part of one to XREAD.
func StreamEntries(reply any) (entries []StreamEntry, err error) {
	list, _ := reply.([]any)
	for _, one := range list {
		pair, _ := one.([]any)
		if len(pair) != 2 {
			return nil, errProtocol
		}
		text, _ := pair[0].(string)
		id, ok := ParseStreamID(text)
		if !ok {
			return nil, errProtocol
		}
		fields, _ := pair[1].([]any) // nil: it was deleted meanwhile
		entries = append(entries, StreamEntry{id, fields})
	}
	return entries, nil
}

// ReadStream has handle called with the entries of a stream that come from now on, in order, and with none each time that all
// there were have been read. Where the stream goes backwards, as the Redis that has it now lacks some of it, reading goes on at its
// end. The link is up only while the stream is read. It is called once at most for each stream.
func (l *Link) ReadStream(key string, handle func(entries []StreamEntry)) {
	r := &streamReader{link: l, key: key, handle: handle}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.state.setSubscriber(r, false, nil)
	l.running.Go(r.run) // awaited by Close
}

// streamReader reads one stream over a connection of its own.
type streamReader struct {
	// Static after construction.
	link   *Link
	key    string
	handle func([]StreamEntry)

	// Owned by run.
	position StreamID
	begun    bool // position means something
	again    reconnect
}

func (r *streamReader) run() {
	for r.link.ctx.Err() == nil {
		began := time.Now()
		worked, err := r.read()
		if r.link.ctx.Err() != nil {
			return
		}
		r.link.state.setSubscriber(r, false, err)
		r.link.doubt()
		var lived time.Duration
		if worked {
			lived = time.Since(began)
		}
		select {
		case <-time.After(max(r.again.after(lived), 10*time.Millisecond)):
		case <-r.link.ctx.Done():
		}
	}
}

// read reads until the connection breaks.
func (r *streamReader) read() (worked bool, err error) {
	t := r.link.topology
	node := ""
	if t.cluster != nil {
		if node, err = t.cluster.owner(r.link.ctx, slotOf(r.key)); err != nil {
			return false, err
		}
	}
	c, err := t.open(r.link.ctx, node)
	if err != nil {
		return false, err
	}
	defer c.close()
	defer context.AfterFunc(r.link.ctx, c.cut)()
	if err := r.begin(c); err != nil {
		return false, err
	}
	for block := false; ; {
		args := []any{"xread", "count", streamBatch}
		if block {
			args = append(args, "block", streamBlock.Milliseconds())
		}
		reply, err := ask(c, streamBlock+t.silence, append(args, "streams", r.key, r.position.String()))
		if err != nil {
			r.moved(err)
			return true, err
		}
		entries, err := readEntries(reply)
		if err != nil {
			return true, err
		}
		if len(entries) > 0 {
			r.position = entries[len(entries)-1].ID
			r.handle(entries)
		}
		if len(entries) < streamBatch {
			if !block {
				block = true
				r.link.state.setSubscriber(r, true, nil)
			}
			r.handle(nil)
		}
		if err := t.check(c.addr); err != nil {
			return true, err
		}
	}
}

// begin finds where to read on. XREAD from $ would miss what comes between two of them.
func (r *streamReader) begin(c *conn) error {
	reply, err := ask(c, r.link.topology.silence, []any{"xrevrange", r.key, "+", "-", "count", 1})
	if err != nil {
		r.moved(err)
		return err
	}
	entries, err := StreamEntries(reply)
	if err != nil {
		return err
	}
	var end StreamID
	if len(entries) > 0 {
		end = entries[0].ID
	}
	if !r.begun || end.Before(r.position) {
		r.position, r.begun = end, true
	}
	return nil
}

// moved has the map of a cluster read anew where the stream is elsewhere.
func (r *streamReader) moved(err error) {
	if m := r.link.topology.cluster; m != nil && isMoved(err) {
		_ = m.reload(r.link.ctx) // one that fails is tried again
	}
}

// ask carries out one command.
func ask(c *conn, timeout time.Duration, args []any) (any, error) {
	replies, err := c.ask(timeout, args)
	if err != nil {
		return nil, err
	}
	return replies[0], errorOf(replies[0])
}

// readEntries reads a reply to XREAD of one stream.
func readEntries(reply any) ([]StreamEntry, error) {
	streams, _ := reply.([]any)
	if len(streams) == 0 {
		return nil, nil
	}
	one, _ := streams[0].([]any)
	if len(one) != 2 {
		return nil, errProtocol
	}
	return StreamEntries(one[1])
}
