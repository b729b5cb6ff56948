package socketio

import (
	"bytes"
	"fmt"
	"time"
)

// attachmentTimeout is how long a binary packet waits for its next attachment. Clients send them right behind it; on a
// slow uplink each may take as long as the largest message takes there before the ping timeout ends it.
const attachmentTimeout = time.Minute

// partial is a binary packet whose attachments are still to come.
type partial struct {
	packet      packet
	attachments [][]byte
	bytes       int64 // of its text and the attachments
}

// expect keeps a binary packet, of so many bytes of text, until its attachments have come.
func (c *conn) expect(p packet, size int) {
	c.partial = &partial{packet: p, bytes: int64(size)}
	if c.arrival == nil {
		c.arrival = time.AfterFunc(attachmentTimeout, c.end)
	} else {
		c.arrival.Reset(attachmentTimeout)
	}
}

func (c *conn) expectNothing() {
	c.partial = nil
	if c.arrival != nil {
		c.arrival.Stop()
	}
}

// Binary takes the next attachment of a binary packet, or a packet of a client that speaks msgpack. A packet and its
// attachments are one message, and together no larger than one may be.
func (c *conn) Binary(data []byte) error {
	whole := c.partial
	switch {
	case c.closing.Load():
		return nil
	case c.msgpack || whole == nil && !c.begun:
		return c.packed(data)
	case whole == nil:
		return c.refuse(errAttachments)
	}
	whole.bytes += int64(len(data))
	if whole.bytes > c.server.conns.MaxPayloadBytes() {
		return c.refuse(fmt.Errorf("%w: too large together", errAttachments))
	}
	whole.attachments = append(whole.attachments, bytes.Clone(data))
	if len(whole.attachments) < whole.packet.attachments {
		c.arrival.Reset(attachmentTimeout)
		return nil
	}
	c.expectNothing()
	s := scratches.Get().(*scratch)
	defer s.release()
	err := checkPlaceholders(whole.packet.args, len(whole.attachments))
	if err == nil {
		err = c.handle(&whole.packet, whole.attachments, s)
	}
	return c.refuse(err)
}
