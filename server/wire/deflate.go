package wire

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

// rsv1Bit marks a message that is compressed: RFC 7692 section 6.
const rsv1Bit = 0x40

// flushEnd ends what a compressor has written so far, and is left out: RFC 7692 section 7.2.1.
const flushEnd = "\x00\x00\xff\xff"

// maxKeptBytes is the size up to which a buffer is kept for the next message.
const maxKeptBytes = 64 << 10

// Deflater compresses messages for clients that have agreed to permessage-deflate without context takeover: what a
// message is compressed to depends on nothing before it, so one form serves all of them.
type Deflater struct {
	minBytes atomic.Int64 // of what is compressed; 0: nothing is
	idle     sync.Pool    // of *compressor
	count    atomic.Uint64
}

// compressor is a writer, 0.8 MB of tables, and what it writes to.
type compressor struct {
	flate *flate.Writer
	out   bytes.Buffer
}

// NewDeflater returns a Deflater for parts with so many bytes of payload or more; 0: for none.
func NewDeflater(minBytes int) *Deflater {
	d := new(Deflater)
	d.SetMin(minBytes)
	d.idle.New = func() any {
		c := new(compressor)
		c.flate, _ = flate.NewWriter(&c.out, flate.BestSpeed) // the level is valid
		return c
	}
	return d
}

// SetMin sets anew from how many bytes on parts are compressed.
func (d *Deflater) SetMin(bytes int) { d.minBytes.Store(int64(bytes)) }

// On reports whether anything is compressed.
func (d *Deflater) On() bool { return d.minBytes.Load() > 0 }

// Takes reports whether a message of so many bytes may have a compressed form.
func (d *Deflater) Takes(bytes int) bool {
	least := int(d.minBytes.Load())
	return least > 0 && bytes >= least
}

// Count returns how many parts of messages were compressed.
func (d *Deflater) Count() uint64 { return d.count.Load() }

// Plain has the message sent as it is to clients that take compressed ones, too. It is called before the message is
// sent, and returns it.
func (m *Message) Plain() *Message {
	m.deflated.Store(m)
	return m
}

// Deflated returns the message as clients get it that take compressed ones. The first call makes that form and the
// message keeps it. Two calls at the same time may both make it.
func (m *Message) Deflated(d *Deflater) *Message {
	if form := m.deflated.Load(); form != nil {
		return form
	}
	least := int(d.minBytes.Load())
	if least == 0 || m.Size() < least {
		return m
	}
	m.deflated.CompareAndSwap(nil, d.deflate(m, least))
	return m.deflated.Load()
}

// deflate returns m with its large parts compressed, m itself where that makes none of them smaller.
func (d *Deflater) deflate(m *Message, least int) *Message {
	var parts []Part
	for i := range m.Parts() {
		p := &m.Parts()[i]
		if p.head == 0 || len(p.Payload()) < least {
			continue
		}
		frame, head := d.compress(p)
		if len(frame) >= len(p.frame) {
			continue
		}
		if parts == nil {
			parts = append(parts, m.Parts()...)
		}
		parts[i] = Part{frame: frame, head: head, binary: p.binary}
	}
	if parts == nil {
		return m
	}
	return &Message{many: &parts}
}

// compress returns the frame of a part in its compressed form, and the length of its header.
func (d *Deflater) compress(p *Part) (frame []byte, head uint8) {
	d.count.Add(1)
	c := d.idle.Get().(*compressor)
	defer d.idle.Put(c)
	c.out.Reset()
	c.flate.Reset(&c.out)
	_, _ = c.flate.Write(p.Payload()) // a buffer takes every write
	_ = c.flate.Flush()
	body := bytes.TrimSuffix(c.out.Bytes(), []byte(flushEnd))
	frame = newFrame(p.frame[0]&^finBit|rsv1Bit, len(body))
	head = uint8(len(frame))
	frame = append(frame, body...)
	if c.out.Cap() > maxKeptBytes {
		c.out = bytes.Buffer{}
	}
	return frame, head
}
