package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"signalbox/handlers/message"
	"signalbox/handlers/router"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/rawjson"
)

// maxCalls is how many calls of the API one worker may have side by side.
const maxCalls = 256

// maxClaims and maxClaimBytes bound what one worker claims.
const (
	maxClaims     = 100
	maxClaimBytes = 16 << 10
)

// Handler returns the handler of [Namespace].
func (w *Workers) Handler() app.Handler { return door{w} }

type door struct{ all *Workers }

// SelfGuarding implements [app.SelfGuarding]: there is a key.
func (door) SelfGuarding() {}

// Momentary implements [app.Momentary]: events go to workers that are there.
func (door) Momentary() {}

// Connect implements [app.Handler].
func (d door) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	w := d.all
	asker, ok := p.(app.Asker)
	if !ok {
		return nil, errors.New("workers cannot be asked here")
	}
	refuse := func(reason string) (app.Session, error) {
		w.counters.refused.Add(1)
		w.o.Log.Warn("a worker is refused", "addr", hs.RemoteAddr, "reason", reason)
		return nil, errors.New(reason)
	}
	if hs.Header("Origin") != "" {
		return refuse("workers are programs, not pages: send no Origin")
	}
	if wait := w.failures.Take(hs.RemoteAddr, time.Now()); wait > 0 {
		w.counters.refused.Add(1)
		return nil, errors.New("too many wrong keys from this address: wait a minute")
	}
	fields, _ := rawjson.Fields(hs.Auth, "key")
	key := ""
	if len(fields) > 0 {
		key, _ = rawjson.Text(fields[0])
	}
	if !auth.KeyMatches(key, *w.key.Load()) {
		return refuse("wrong key")
	}
	w.failures.Forgive(hs.RemoteAddr)
	asker.Trust()
	ctx, cancel := context.WithCancel(context.Background())
	w.counters.here.Add(1)
	w.o.Log.Info("a worker is here", "worker", p.ID(), "addr", hs.RemoteAddr)
	return &session{all: w, worker: w.newWorker(p.ID(), "", asker), ctx: ctx, cancel: cancel}, nil
}

// session is the connection of one worker.
type session struct {
	all    *Workers
	worker *worker
	ctx    context.Context // of its calls; ends when it leaves
	cancel context.CancelFunc
	calls  atomic.Int32
}

// callNames are the calls of the API that are events here.
var callNames = map[string]bool{"publish": true, "emit": true, "rooms": true, "users": true, "disconnectUser": true}

// Event implements [app.Session].
func (s *session) Event(e *app.Event) {
	switch {
	case e.Name == "handle":
		claims, err := s.read(e.Argument())
		if err != nil {
			e.Ack.Send(message.Refusal(err))
			return
		}
		e.Ack.Send(message.OK) // ahead of the first event
		s.handle(claims)
	case callNames[e.Name] && s.all.call != nil:
		s.callAPI(e.Name, bytes.Clone(e.Argument()), e.Ack)
	default:
		e.Ack.Send(message.Refusal(errors.New("unknown event")))
	}
}

// read reads what the worker claims.
func (s *session) read(argument json.RawMessage) ([]claim, error) {
	var claimed struct {
		Events []string `json:"events"`
	}
	if len(argument) > maxClaimBytes || json.Unmarshal(argument, &claimed) != nil || claimed.Events == nil {
		return nil, errors.New(`claim events by patterns, such as {events: ["/game:*"]}`)
	}
	if len(claimed.Events) > maxClaims {
		return nil, fmt.Errorf("%d patterns are too many: %d may be claimed", len(claimed.Events), maxClaims)
	}
	return s.all.claims(claimed.Events)
}

// handle has the worker serve the events that it claims, in place of what it claimed before.
func (s *session) handle(claims []claim) {
	s.all.set(s.worker, claims)
	if s.all.beat != nil {
		s.all.beat.now()
	}
	s.all.o.Log.Info("a worker handles events", "worker", s.worker.id, "patterns", len(claims))
}

// claims reads patterns that may be claimed.
func (w *Workers) claims(patterns []string) ([]claim, error) {
	var claims []claim
	for _, text := range patterns {
		list, err := router.ParsePatterns(text)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if !router.Covered(p, w.o.Allowed) {
				return nil, fmt.Errorf("%q may not be claimed: WORKER_EVENTS does not have it", p)
			}
			claims = append(claims, claim{p, p.Literal()})
		}
	}
	return claims, nil
}

// callAPI carries out a call of the API beside the others.
func (s *session) callAPI(name string, body json.RawMessage, ack app.Acker) {
	if s.calls.Add(1) > maxCalls {
		s.calls.Add(-1)
		ack.Send(json.RawMessage(`{"error":{"code":"too_many_calls","message":"256 calls may be on their way at once"}}`))
		return
	}
	s.all.counters.calls.Add(1)
	s.all.calls.Go(func() {
		defer s.calls.Add(-1)
		ack.Send(s.all.call(s.ctx, name, body))
	})
}

// Answered implements [app.AnswerListener].
func (s *session) Answered(id uint64, args []json.RawMessage, attachments [][]byte) {
	s.worker.answered(id, args, attachments)
}

// Close implements [app.Session].
func (s *session) Close(reason string) {
	s.cancel()
	s.all.counters.here.Add(-1)
	s.worker.leave()
	if s.all.beat != nil {
		s.all.beat.now()
	}
	s.all.o.Log.Info("a worker has left", "worker", s.worker.id, "reason", reason)
}
