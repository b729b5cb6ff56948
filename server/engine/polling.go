package engine

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"signalbox/server/conn"
	"signalbox/server/engine/eio3"
)

const (
	// probedPollWait is how long a poll waits for messages while an upgrade is under way. It must end for the client
	// to go on, and it should not make the client poll again at once.
	probedPollWait = 20 * time.Millisecond

	// partingWait is how long a session that its client has closed is kept for a poll that may be on its way.
	partingWait = 500 * time.Millisecond
)

// polling is what a session needs while it polls.
type polling struct {
	posting  chan struct{}   // closed when the post in flight has been handled, nil: none is
	gone     <-chan struct{} // closed when the connection of the post is
	probe    *probe          // the upgrade under way, nil: none is
	draining bool            // the session is closing, and what is queued waits for the next poll
	missed   bool            // no poll was waiting when it closed
}

// servePoll answers a poll with all that is queued, as soon as there is something.
//
// Rule: a second poll, and one that the client gives up, end the session ([HTTP long-polling]).
//
// [HTTP long-polling]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#http-long-polling
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	ready, hold, refused := s.beginPoll()
	if refused != nil {
		s.srv.conns.Refuse(w, refused)
		return
	}
	if hop := hopOf(r); hop.From != "" {
		s.srv.note(s.srv.hops.polls, s, hop)
		defer s.srv.forgetHop(s.srv.hops.polls, s)
		hold = hold || hop.Brief
	}
	var timeout <-chan time.Time
	if hold {
		timeout = time.After(probedPollWait)
	}
	if err := s.srv.skipBody(w, r); err != nil {
		s.cancelPoll()
		w.Header().Set("Connection", "close") // the rest of the body is not read
		s.srv.conns.Refuse(w, refuseRequest)
		return
	}
	// The time a poll may wait is the ping interval, whatever the http.Server allows for other requests.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	end := conn.AwaitBehind(r, ready)
	select {
	case <-ready:
	case <-timeout:
	case <-r.Context().Done():
	}
	end()
	if r.Context().Err() != nil {
		s.cancelPoll()
		return
	}
	body := borrowBody()
	defer returnBody(body)
	taken, last, refused := s.takePoll(body)
	if refused != nil {
		s.srv.conns.Refuse(w, refused)
		return
	}
	if err := s.respond(w, r, body.Bytes()); err != nil {
		s.c.Abort(writeReason(err))
		return
	}
	s.c.Fetched(taken)
	if last {
		s.c.Abort(conn.ReasonNone) // it has ended before, and now for good
	}
}

// skipBody reads what came with a request that needs no body, within the time and size of one that does. net/http
// reads it before it answers, then without a deadline, and it does not notice before that the client has gone.
func (s *Server) skipBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyReadTimeout)) // where there are deadlines
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, s.conns.MaxPayloadBytes()))
	return err
}

// beginPoll registers a poll. ready is signalled when there is something to take; hold is set if the poll must not
// wait for long.
func (s *Session) beginPoll() (ready chan struct{}, hold bool, refused *conn.Refusal) {
	s.c.Lock()
	defer s.c.Unlock()
	if refused := s.checkPollingLocked(); refused != nil {
		return nil, false, refused
	}
	ready = s.c.AwaitLocked()
	if ready == nil {
		s.c.ShutLocked(conn.ReasonTransportError, nil)
		return nil, false, refuseRequest
	}
	probe := s.polling.probe
	return ready, probe != nil && probe.answered, nil
}

// checkPollingLocked refuses requests that come for a session that does not poll, or has ended.
func (s *Session) checkPollingLocked() *conn.Refusal {
	s.c.CheckPongLocked()
	switch {
	case s.polling == nil:
		return refuseRequest
	case s.c.OpenLocked(), !s.c.DoneLocked() && s.polling.draining:
		return nil
	default:
		return refuseSession
	}
}

// cancelPoll ends the session, unless it goes on by websocket and the poll is of no more use.
func (s *Session) cancelPoll() {
	s.c.Lock()
	defer s.c.Unlock()
	s.c.StopWaitingLocked()
	if s.polling != nil {
		s.c.AbortLocked(conn.ReasonTransportError)
	}
}

// takePoll appends to body what the poll is answered with: what is queued up to about the largest payload, else a
// noop. It returns the size of what it took, and whether nothing can follow. A poll that still waits when the
// websocket takes over is refused like one that comes later.
func (s *Session) takePoll(body *bytes.Buffer) (taken int, last bool, refused *conn.Refusal) {
	s.c.Lock()
	defer s.c.Unlock()
	s.c.StopWaitingLocked()
	if s.polling == nil {
		return 0, false, refuseRequest
	}
	limit := s.srv.conns.MaxPayloadBytes()
	bytes, more := s.c.QueuedLocked()
	body.Grow(int(min(int64(bytes), limit)) + 1)
	payload := body.AvailableBuffer()
	for ; more && int64(len(payload)) < limit; _, more = s.c.QueuedLocked() {
		m := s.c.NextLocked()
		taken += m.Size()
		payload = appendMessage(payload, m)
	}
	last = !more && !s.c.OpenLocked()
	switch {
	case last && len(payload) > 0 && s.polling.missed && s.c.ReasonLocked() == conn.ReasonForcedClose:
		last = false // the next poll hears of the close, as from the reference
	case last && s.c.ReasonLocked() != conn.ReasonTransportClose:
		if len(payload) == 0 && s.polling.missed {
			payload = append(payload, packetNoop) // as from the reference, which answers the poll and then appends
		}
		payload = appendPacket(payload, packetClose)
	case len(payload) == 0:
		payload = append(payload, packetNoop) // the answer also to a client that has closed the session itself
	}
	body.Write(payload)
	return taken, last, nil
}

func appendPacket(payload []byte, packet byte) []byte {
	if len(payload) > 0 {
		payload = append(payload, separator)
	}
	return append(payload, packet)
}

// endedPollingLocked is called when the connection has ended and the session is not gone on by websocket.
func (s *Session) endedPollingLocked() {
	p, reason := s.polling, s.c.ReasonLocked()
	if s.told {
		p.probe.wake()
		if p.draining {
			p.draining = false
			s.srv.conns.Spawn(s.c.Remove)
		}
		return
	}
	s.told = true
	p.missed = !s.c.WaitsLocked()
	_, more := s.c.QueuedLocked()
	switch {
	case s.c.DoneLocked():
	case reason == conn.ReasonForcedClose, reason == conn.ReasonServerShutdown && more:
		p.draining = true
		s.c.ExpireLocked(s.srv.drain)
	case reason == conn.ReasonTransportClose && p.missed:
		p.draining = true // a poll that was sent together with the close packet is to be answered
		s.c.DropLocked(false)
		s.c.ExpireLocked(s.srv.parting)
	case p.missed:
		s.c.DropLocked(true)
	}
	draining := p.draining
	if !draining {
		p.probe.wake()
	}
	s.srv.conns.Spawn(func() {
		if !draining {
			s.c.Remove()
		}
		s.deliver.Lock() // a packet may be with the receiver
		defer s.deliver.Unlock()
		s.tellClosed(reason)
	})
}

// writeReason is why a session ends whose response could not be written.
func writeReason(err error) conn.Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return conn.ReasonWriteTimeout
	}
	return conn.ReasonTransportError
}

// respond answers a request of the session, which polls, with a payload.
func (s *Session) respond(w http.ResponseWriter, r *http.Request, payload []byte) error {
	octets := false
	if s.eio3 {
		payload, octets = eio3.Encode(payload, s.textOnly.Load())
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	if octets {
		h.Set("Content-Type", octetStream)
	}
	h.Set("Cache-Control", "no-store")
	if len(payload) >= compressBytes {
		h.Add("Vary", "Accept-Encoding")
		if coding := acceptedCoding(r.Header); coding != "" {
			packed := borrowBody()
			defer returnBody(packed)
			if err := compress(packed, coding, payload); err != nil {
				return err
			}
			h.Set("Content-Encoding", coding)
			payload = packed.Bytes()
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(payload)))
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	for len(payload) > 0 {
		chunk := payload[:min(len(payload), conn.ResponseChunk)]
		payload = payload[len(chunk):]
		_ = rc.SetWriteDeadline(time.Now().Add(s.srv.conns.Config().WriteTimeout)) // where there are deadlines
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_ = rc.SetWriteDeadline(time.Time{}) // it must not meet the next response on this connection
	return nil
}
