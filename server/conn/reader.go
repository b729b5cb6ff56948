package conn

import (
	"io"
	"net"
	"sync"
	"syscall"
	"unicode/utf8"

	"signalbox/internal/rawio"
)

const (
	// readBytes is the size of a borrowed read buffer: a burst of small messages. Larger frames get a buffer that
	// grows as they arrive, so that announcing a length costs the server nothing.
	readBytes = 8 * kiB

	// maxEmptyFragments bounds the empty frames of one message. The others are bounded by the message's own limit, and
	// cost no memory beyond their payload: what they carry is copied into one buffer.
	maxEmptyFragments = 4096
)

var readBuffers = sync.Pool{New: func() any { return new([readBytes]byte) }}

// Reader reads websocket messages from a connection. While it waits for the first byte of a frame it holds no buffer.
type Reader struct {
	// Static after construction.
	nc      net.Conn
	raw     syscall.RawConn
	secure  *secureConn // nil: what comes from raw is not TLS
	limit   int64
	deflate bool // the client may send compressed messages
	attempt func(fd uintptr) bool

	// Owned by the goroutine that reads. buf[start:end] has been read and not yet been handled.
	buf        []byte
	start, end int
	need       int // what the frame at start takes, as far as it is known
	err        error
	begun      bool       // a first batch has been handled
	discards   bool       // messages are not looked into
	busy       int        // reads since the last that had to wait
	fragments  *fragments // of the message that comes in several frames, nil: none has begun
	inflater   *inflater  // holds the message that next has returned, nil: it was not compressed
}

// fragments are what has come of a message.
type fragments struct {
	op      opcode
	packed  bool // it is compressed
	message []byte
	empties int // empty frames in it
}

// newReader returns a reader of messages up to limit bytes that begins with what the client has sent early, which it
// copies.
func newReader(t taken, limit int64) *Reader {
	nc, early := t.nc, t.early
	r := &Reader{nc: nc, raw: rawConn(nc), limit: limit, deflate: t.deflate}
	if secure, ok := nc.(*secureConn); ok {
		r.raw, r.secure = secure.quick.raw, secure
	}
	if r.raw != nil {
		r.attempt = r.readOnce
	}
	if len(early) > readBytes {
		r.buf = make([]byte, len(early))
	} else if len(early) > 0 {
		r.borrow()
	}
	r.end = copy(r.buf, early)
	return r
}

// fill waits until there is something to read and reads it.
//
// The buffer is borrowed here and not in readOnce, which would be the place for it: with the allocation on top of the
// frames of net and poll, a goroutine that only waits would need a stack of 4 KiB in place of 2.
func (r *Reader) fill() error {
	r.makeRoom()
	for {
		if r.buf == nil {
			r.borrow()
		}
		if r.raw == nil {
			n, err := r.nc.Read(r.buf[r.end:])
			if r.end += n; n > 0 {
				return nil
			}
			return err
		}
		r.err = nil
		if err := r.raw.Read(r.attempt); err != nil {
			return err
		}
		if r.buf != nil {
			return r.err
		}
	}
}

// readOnce is called with the descriptor: at first, and when the runtime has found it readable. Returning false makes
// the runtime wait for that. No buffer is kept meanwhile, so the second call leaves reading to the next round of fill.
func (r *Reader) readOnce(fd uintptr) bool {
	if r.buf == nil {
		return true
	}
	var n int
	var again bool
	var err error
	if r.secure == nil {
		n, again, err = rawio.Read(fd, r.buf[r.end:])
	} else {
		n, again, err = r.secure.read(fd, r.buf[r.end:])
	}
	if again {
		r.busy = 0
		if r.end == 0 {
			r.release()
		}
		return false
	}
	r.end += n
	r.busy++
	if n == 0 && err == nil {
		err = io.EOF
	}
	r.err = err
	return true
}

// makeRoom prepares buf for more bytes.
func (r *Reader) makeRoom() {
	if r.start == r.end {
		r.start, r.end, r.need = 0, 0, 0
		if len(r.buf) != readBytes {
			r.release()
		}
		return
	}
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, min(max(r.need, r.end+1), 2*len(r.buf)))
		copy(grown, r.buf)
		r.release()
		r.buf = grown
	}
}

func (r *Reader) borrow() {
	r.buf = readBuffers.Get().(*[readBytes]byte)[:]
}

func (r *Reader) release() {
	r.endInflate()
	if len(r.buf) == readBytes {
		readBuffers.Put((*[readBytes]byte)(r.buf))
	}
	r.buf = nil
}

// next returns the next message or control frame of what has been read: its payload, without its mask, is valid until
// fill or next is called. ok is false when more must be read. An error is a *Fault.
//
// Rule: RFC 6455 sections 5.4 (fragmentation) and 8.1 (text is UTF-8).
func (r *Reader) next() (op opcode, payload []byte, ok bool, err error) {
	r.endInflate()
	for {
		b := r.buf[r.start:r.end]
		limit := r.limit
		if r.deflate {
			limit += limit/64 + 64 // what compressing may add to what cannot be compressed
		}
		if r.fragments != nil {
			limit -= int64(len(r.fragments.message))
		}
		h, ok, err := parseHeader(b, limit, r.deflate)
		if err != nil {
			return 0, nil, false, err
		}
		if err := r.checkOrder(&h, len(b)); err != nil {
			return 0, nil, false, err
		}
		if !ok || len(b) < h.size+h.payload {
			r.need = h.size + h.payload
			return 0, nil, false, nil
		}
		payload = b[h.size : h.size+h.payload]
		r.start += h.size + h.payload
		unmask(payload, h.key)
		if h.op.control() {
			return h.op, payload, true, nil
		}
		if h.op != opContinuation && h.fin {
			return r.whole(h.op, payload, h.packed)
		}
		if h.op != opContinuation {
			r.fragments = &fragments{op: h.op, packed: h.packed}
		}
		f := r.fragments
		if len(payload) == 0 {
			if f.empties++; f.empties > maxEmptyFragments {
				return 0, nil, false, &Fault{closeTooBig, ReasonPayloadTooLarge, "too many empty fragments"}
			}
		}
		f.message = append(f.message, payload...)
		if h.fin {
			r.fragments = nil
			return r.whole(f.op, f.message, f.packed)
		}
	}
}

// checkOrder refuses a frame that does not fit the state of a fragmented message. got tells how much of the frame is
// there: without two bytes h says nothing.
func (r *Reader) checkOrder(h *header, got int) error {
	switch {
	case got < 2 || h.op.control():
		return nil
	case h.op == opContinuation && r.fragments == nil:
		return protocolError("continuation of nothing")
	case h.op != opContinuation && r.fragments != nil:
		return protocolError("message inside a fragmented one")
	}
	return nil
}

func (r *Reader) whole(op opcode, payload []byte, packed bool) (opcode, []byte, bool, error) {
	switch {
	case packed && r.discards:
		return op, nil, true, nil
	case packed:
		r.inflater = inflaters.Get().(*inflater)
		var err error
		if payload, err = r.inflater.inflate(payload, r.limit); err != nil {
			return 0, nil, false, err
		}
	case int64(len(payload)) > r.limit:
		return 0, nil, false, errTooBig
	}
	if op == opText && !utf8.Valid(payload) {
		return 0, nil, false, errInvalid
	}
	return op, payload, true, nil
}

// endInflate gives up what next has returned.
func (r *Reader) endInflate() {
	if r.inflater != nil {
		r.inflater.release()
		r.inflater = nil
	}
}

// discard reads and forgets until the connection ends or fill fails, or until a close frame arrives: it reports which.
// Frames are followed as long as they are well-formed; after that only the end is waited for. It returns when that
// begins, for the caller may have to ask for the end.
func (r *Reader) discard(wellFormed *bool) (closed bool, err error) {
	r.discards = true
	for *wellFormed {
		op, _, ok, err := r.next()
		if err != nil {
			*wellFormed = false
			return false, nil
		} else if !ok {
			break
		} else if op == opClose {
			return true, nil
		}
	}
	if !*wellFormed {
		r.start, r.end, r.fragments = 0, 0, nil
		r.release()
	}
	return false, r.fill()
}
