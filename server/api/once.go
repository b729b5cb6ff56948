package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"signalbox/server/rawjson"
)

// This file has a call with a key of its own carried out once, however often it comes.
//
// Rule: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header

const (
	idempotencyHeader = "Idempotency-Key"
	// rememberTime is how long the answer to a call with a key is known.
	rememberTime = 5 * time.Minute
	// maxRemembered and maxRememberedBytes bound the answers that are known; over them the oldest are forgotten.
	maxRemembered      = 10_000
	maxRememberedBytes = 16 << 20
	maxKeyBytes        = 255
)

// remembered are calls with a key: those that are being carried out, and those that were. The zero value is ready.
type remembered struct {
	mu sync.Mutex
	// mu guards the following.
	calls map[string]*keyedCall
	old   []*keyedCall // that were carried out, the oldest first
	bytes int
}

type keyedCall struct {
	key  string
	sum  [sha256.Size]byte // of what was called with it
	done chan struct{}     // closed when it was carried out, or failed

	// remembered.mu guards the following.
	answer json.RawMessage
	until  time.Time
}

// once carries out a call unless one with its key was: then it returns that one's answer, for which it waits. A call that
// failed is forgotten. Who carries one out does so to the end, also where its caller has gone.
func (a *API) once(ctx context.Context, key, what string, body []byte, call func(context.Context) (any, error)) (any, error) {
	if key == "" || len(key) > maxKeyBytes {
		return nil, faultf(CodeInvalidRequest, "an idempotency key has 1 to %d bytes", maxKeyBytes)
	}
	mine := &keyedCall{key: key, sum: sha256.Sum256(append(append([]byte(what), '\n'), body...)), done: make(chan struct{})}
	for {
		other := a.done.begin(mine)
		switch {
		case other == nil:
			answer, err := a.finish(context.WithoutCancel(ctx), mine, call)
			return answer, err
		case other.sum != mine.sum:
			return nil, faultf(CodeKeyReused, "this idempotency key was used for another call")
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if answer := a.done.answer(other); answer != nil {
			return answer, nil
		}
	}
}

// finish carries out a call that has begun.
func (a *API) finish(ctx context.Context, c *keyedCall, call func(context.Context) (any, error)) (answer json.RawMessage, err error) {
	defer func() { a.done.end(c, answer) }() // also where it panics
	v, err := call(ctx)
	if err != nil {
		return nil, err
	}
	answer, ok := v.(json.RawMessage)
	if !ok {
		answer, err = rawjson.Marshal(v)
	}
	return answer, err
}

// begin returns the call that has the key already; nil: c has it now.
func (r *remembered) begin(c *keyedCall) *keyedCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(time.Now())
	if other := r.calls[c.key]; other != nil {
		return other
	}
	if r.calls == nil {
		r.calls = make(map[string]*keyedCall)
	}
	r.calls[c.key] = c
	return nil
}

// end remembers what a call was answered; nil: it is forgotten.
func (r *remembered) end(c *keyedCall, answer json.RawMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(c.done)
	if answer == nil {
		delete(r.calls, c.key)
		return
	}
	now := time.Now()
	c.answer, c.until = answer, now.Add(rememberTime)
	r.old = append(r.old, c)
	r.bytes += len(answer)
	r.forgetLocked(now)
}

func (r *remembered) answer(c *keyedCall) json.RawMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.answer
}

func (r *remembered) forgetLocked(now time.Time) {
	for len(r.old) > 0 {
		c := r.old[0]
		if len(r.old) <= maxRemembered && r.bytes <= maxRememberedBytes && now.Before(c.until) {
			return
		}
		delete(r.calls, c.key)
		r.bytes -= len(c.answer)
		r.old[0] = nil
		r.old = r.old[1:]
	}
}
