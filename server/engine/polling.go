package engine

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

const (
	// probedPollWait is how long a poll waits for messages while an upgrade is under way. It must end for the client to
	// go on, and it should not make the client poll again at once.
	probedPollWait = 20 * time.Millisecond

	// partingWait is how long a session that its client has closed is kept for a poll that may be on its way.
	partingWait = 500 * time.Millisecond

	// responseChunk is what is written of a response between two looks at the clock: a slow client may take as long as
	// it makes progress.
	responseChunk = 32 * kiB
)

// polling is what a session needs while it polls.
type polling struct {
	posting  chan struct{}   // closed when the post in flight has been handled, nil: none is
	gone     <-chan struct{} // closed when the connection of the post is
	probe    *probe          // the upgrade under way, nil: none is
	draining bool            // the session is closing, and what is queued waits for the next poll
	missed   bool            // no poll was waiting when it closed
}

// handshakePolling begins a session with polling. The open packet is the response.
func (s *Server) handshakePolling(w http.ResponseWriter, r *http.Request, query url.Values) {
	addr := s.cfg.ClientIP(r)
	if refused := s.admit(r, addr, pollingDescriptors); refused != nil {
		s.refuse(w, refused)
		return
	}
	session := s.newSession(r, query, addr)
	session.polling, session.descriptors = new(polling), pollingDescriptors
	session.deliver.Lock() // from before anybody can end the session until it has a receiver, which is told then
	if !s.add(&session.link, addr) {
		session.deliver.Unlock()
		s.refuse(w, refuseShutdown)
		return
	}
	s.begin(session)
	session.deliver.Unlock()
	if err := s.respond(w, r, s.openPacket(session.id, Polling)); err != nil {
		session.abort(writeReason(err))
	}
}

// servePoll answers a poll with all that is queued, as soon as there is something.
//
// Rule: a second poll, and one that the client gives up, end the session ([HTTP long-polling]).
//
// [HTTP long-polling]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#http-long-polling
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	ready, hold, refused := s.beginPoll()
	if refused != nil {
		s.srv.refuse(w, refused)
		return
	}
	var timeout <-chan time.Time
	if hold {
		timeout = time.After(probedPollWait)
	}
	if err := s.srv.skipBody(w, r); err != nil {
		s.cancelPoll()
		w.Header().Set("Connection", "close") // the rest of the body is not read
		s.srv.refuse(w, refuseRequest)
		return
	}
	// The time a poll may wait is the ping interval, whatever the http.Server allows for other requests.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	end := awaitBehind(r, ready)
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
		s.srv.refuse(w, refused)
		return
	}
	if err := s.srv.respond(w, r, body.Bytes()); err != nil {
		s.abort(writeReason(err))
		return
	}
	s.wrotePoll(taken)
	if last {
		s.abort(ReasonNone) // it has ended before, and now for good
	}
}

// skipBody reads what came with a request that needs no body, within the time and size of one that does. net/http reads
// it before it answers, then without a deadline, and it does not notice before that the client has gone.
func (s *Server) skipBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyReadTimeout)) // where there are deadlines
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, s.cfg.MaxPayloadBytes))
	return err
}

// beginPoll registers a poll. ready is signalled when there is something to take; hold is set if the poll must not wait
// for long.
func (s *Session) beginPoll() (ready chan struct{}, hold bool, refused *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused := s.checkPollingLocked(); refused != nil {
		return nil, false, refused
	}
	if s.ready != nil {
		s.shutLocked(ReasonTransportError, nil)
		return nil, false, refuseRequest
	}
	s.ready = make(chan struct{}, 1)
	if !s.queue.empty() || s.phase != phaseOpen {
		s.wakePollLocked()
	}
	probe := s.polling.probe
	return s.ready, probe != nil && probe.answered, nil
}

// checkPollingLocked refuses requests that come for a session that does not poll, or has ended.
func (s *Session) checkPollingLocked() *refusal {
	if now := s.srv.clock.now(); s.unanswered && s.dueLocked(now) {
		s.beatLocked(now) // the clock is about to find out
	}
	switch {
	case s.polling == nil:
		return refuseRequest
	case s.phase == phaseOpen, s.phase == phaseClosing && s.polling.draining:
		return nil
	default:
		return refuseSession
	}
}

// cancelPoll ends the session, unless it goes on by websocket and the poll is of no more use.
func (s *Session) cancelPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = nil
	if s.polling != nil {
		s.abortLocked(ReasonTransportError)
	}
}

// takePoll appends to body what the poll is answered with: what is queued up to about the largest payload, else a noop.
// It returns the size of what it took, and whether nothing can follow. A poll that still waits when the websocket takes
// over is refused like one that comes later.
func (s *Session) takePoll(body *bytes.Buffer) (taken int, last bool, refused *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = nil
	if s.polling == nil {
		return 0, false, refuseRequest
	}
	body.Grow(int(min(int64(s.bytes), s.srv.cfg.MaxPayloadBytes)) + 1)
	payload := body.AvailableBuffer()
	for !s.queue.empty() && int64(len(payload)) < s.srv.cfg.MaxPayloadBytes {
		m := s.queue.pop()
		taken += m.Size()
		payload = appendMessage(payload, m)
	}
	last = s.phase != phaseOpen && s.queue.empty()
	switch {
	case last && s.reason != ReasonTransportClose:
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

// wrotePoll takes what a poll was answered with off the outbox.
func (s *Session) wrotePoll(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = max(0, s.bytes-bytes)
	s.relieveLocked()
}

// endedLocked implements owner. A session with a websocket is ended by its reader.
func (s *Session) endedLocked() {
	p := s.polling
	if p == nil {
		return
	}
	if s.told {
		p.probe.wake()
		if p.draining {
			p.draining = false
			s.srv.spawn(func() { s.srv.remove(&s.link) })
		}
		return
	}
	s.told = true
	p.missed = s.ready == nil
	switch {
	case s.phase == phaseDone:
	case s.reason == ReasonForcedClose, s.reason == ReasonServerShutdown && !s.queue.empty():
		p.draining = true
		s.srv.clock.startLocked(&s.link, s.srv.drain, s.srv.clock.now())
	case s.reason == ReasonTransportClose && s.ready == nil:
		p.draining = true // a poll that was sent together with the close packet is to be answered
		s.bytes -= s.queue.drop()
		s.srv.clock.startLocked(&s.link, s.srv.parting, s.srv.clock.now())
	case s.ready == nil:
		s.phase = phaseDone
		s.bytes -= s.queue.drop()
	}
	draining, reason := p.draining, s.reason
	if !draining {
		p.probe.wake()
	}
	s.srv.spawn(func() {
		if !draining {
			s.srv.remove(&s.link)
		}
		s.deliver.Lock() // a packet may be with the receiver
		defer s.deliver.Unlock()
		s.tellClosed(s.receiver, reason)
	})
}

// writeReason is why a session ends whose response could not be written.
func writeReason(err error) Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ReasonWriteTimeout
	}
	return ReasonTransportError
}

// respond answers a request of a polling session with a payload.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, payload []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
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
		chunk := payload[:min(len(payload), responseChunk)]
		payload = payload[len(chunk):]
		_ = rc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) // where there are deadlines
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
