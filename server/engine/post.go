package engine

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"signalbox/server/conn"
	"signalbox/server/engine/eio3"
)

// servePost delivers the packets in a body, in order, and answers "ok".
//
// Rule: a body that cannot be read as packets, or that comes while another is on its way, ends the session. What the
// receiver refuses ends it as well, but after the post was answered.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	done, refused := s.beginPost(r.Context().Done())
	if refused != nil {
		s.srv.conns.Refuse(w, refused)
		return
	}
	body := borrowBody()
	defer returnBody(body)
	octets := isOctets(r)
	refused = s.readBody(w, r, body, octets)
	if refused == nil {
		refused = s.deliverBody(body.Bytes(), octets)
	}
	s.endPost(done) // before the answer: the next post may follow it at once
	if refused != nil {
		if refused.Code == conn.NoBody {
			w.Header().Set("Connection", "close") // the rest of the body is not read
		}
		s.srv.conns.Refuse(w, refused)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html") // as the reference does, for browsers that would offer to save text/plain
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "2")
	io.WriteString(w, "ok") // a client that is gone does not need it
}

// beginPost registers a post. gone is closed when its connection is.
func (s *Session) beginPost(gone <-chan struct{}) (done chan struct{}, refused *conn.Refusal) {
	s.c.Lock()
	defer s.c.Unlock()
	if refused := s.checkPollingLocked(); refused != nil {
		return nil, refused
	}
	if s.polling.posting != nil {
		s.c.ShutLocked(conn.ReasonTransportError, nil)
		return nil, refuseRequest
	}
	s.polling.posting, s.polling.gone = make(chan struct{}), gone
	return s.polling.posting, nil
}

func (s *Session) endPost(done chan struct{}) {
	s.c.Lock()
	defer s.c.Unlock()
	close(done)
	if s.polling != nil {
		s.polling.posting, s.polling.gone = nil, nil
	}
}

// readBody reads the body of a post, which has to arrive in time and within the limit.
//
// Rule: a body over the limit is 413, whether its length was announced or not, and one that comes too slowly 408;
// binary bodies are a part of EIO=3.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request, body *bytes.Buffer, octets bool) *conn.Refusal {
	limit := s.srv.conns.MaxPayloadBytes()
	if octets && !s.eio3 {
		s.c.Shut(conn.ReasonTransportError, nil)
		return refuseRequest
	}
	if r.ContentLength > limit {
		s.c.Shut(conn.ReasonPayloadTooLarge, nil)
		return refuseTooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.srv.cfg.BodyReadTimeout)) // where there are deadlines
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		s.c.Shut(conn.ReasonPayloadTooLarge, nil)
		return refuseTooLarge
	}
	if err != nil {
		s.c.Shut(conn.ReasonTransportError, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return refuseSlowBody
		}
		return refuseRequest
	}
	_ = rc.SetReadDeadline(time.Time{})
	return nil
}

// octetStream is the content type of bodies that are bytes.
const octetStream = "application/octet-stream"

func isOctets(r *http.Request) bool {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return media == octetStream
}

// deliverBody hands the packets of a body to the receiver. The session ends at the first that is invalid.
func (s *Session) deliverBody(body []byte, octets bool) *conn.Refusal {
	if s.eio3 {
		var ok bool
		if body, ok = eio3.Decode(body, octets); !ok {
			s.c.Shut(conn.ReasonParseError, nil)
			return refuseRequest
		}
	}
	s.deliver.Lock()
	defer s.deliver.Unlock()
	err := s.packets(body)
	ended := (*conn.Fault)(nil)
	if !errors.As(err, &ended) {
		return nil
	}
	s.c.Shut(ended.Reason, nil)
	if err == errReceiver || err == errClosing {
		return nil
	}
	return refuseRequest
}

// packets takes the packets of a body, as a batch of the connection.
func (s *Session) packets(body []byte) (err error) {
	p, err := newPayload(body)
	if err != nil {
		return err
	}
	s.c.BeginBatch()
	packets := 0
	defer func() { err = s.c.EndBatch(packets, len(body), recover(), err) }()
	for !s.c.Ended() {
		packet, binary, ok, err := p.next()
		if err != nil || !ok {
			return err
		}
		packets++
		if binary {
			err = refused(s.receiver.Binary(packet))
		} else {
			err = s.packet(packet)
		}
		if err != nil {
			return err
		}
		s.c.AwaitDrain()
	}
	return nil
}
