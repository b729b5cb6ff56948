package conn

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// Pending is a websocket that belongs to no [Conn] yet. It is read from and written to by one goroutine, and has no
// outbox.
type Pending struct {
	*Reader
	closeTimeout time.Duration
}

// OpenPending answers a websocket handshake that [CheckUpgrade] has found right. On an error nothing is open.
func (s *Server) OpenPending(w http.ResponseWriter, r *http.Request) (*Pending, error) {
	t, err := s.switchProtocols(w, r, nil)
	if err == nil {
		err = s.greet(t)
	}
	if err != nil {
		return nil, err
	}
	return &Pending{newReader(t, s.MaxPayloadBytes()), s.cfg.CloseTimeout}, nil
}

// SetDeadline bounds all reads and writes. [Pending.Wake] and [Conn.SwitchLocked] end that.
func (p *Pending) SetDeadline(t time.Time) { p.nc.SetDeadline(t) }

// Wake makes a Read that waits, or comes next, return an error. It may be called from any goroutine.
func (p *Pending) Wake() { p.nc.SetReadDeadline(longAgo) }

// Read waits for the next message, which is valid until it is called again. It answers pings meanwhile.
func (p *Pending) Read() (message []byte, binary bool, err error) {
	for {
		op, payload, ok, err := p.next()
		if err == nil && !ok {
			err = p.fill()
		} else if err == nil {
			switch op {
			case opText, opBinary:
				return payload, op == opBinary, nil
			case opPing:
				err = p.Write(controlFrame(opPong, payload).Parts()[0].Frame())
			case opClose:
				err = closedBy(payload)
			}
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// Write sends a frame.
func (p *Pending) Write(frame []byte) error {
	_, err := p.nc.Write(frame)
	return err
}

// Refuse ends the websocket: a close frame for err, then the wait for the client's.
func (p *Pending) Refuse(err error) {
	defer p.nc.Close()
	var fault *Fault
	var closed *clientClose
	code, answered := uint16(CloseNoCode), false
	switch {
	case errors.As(err, &closed):
		code, answered = closed.code, true
	case errors.As(err, &fault):
		code = fault.Code
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return
	}
	p.SetDeadline(time.Now().Add(p.closeTimeout))
	if err := p.Write(CloseFrame(code, "").Parts()[0].Frame()); err != nil || answered {
		return
	}
	for wellFormed := true; ; {
		if closed, err := p.discard(&wellFormed); closed || err != nil {
			return
		}
		if half, ok := p.nc.(interface{ CloseWrite() error }); ok && !wellFormed {
			half.CloseWrite() // the client's close frame cannot be found: its end is asked for, see waitEnd
		}
	}
}
