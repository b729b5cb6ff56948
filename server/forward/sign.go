package forward

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"signalbox/server/engine"
)

// header is what one server tells another about a request that it passes on: its id, the number of the request among
// all that it has passed on, whether it is about to end, a signature, and the caller's address.
const header = "Signalbox-Forward"

const (
	// keyAge is how old the key may be before it is looked up again, and keyDoubt the same once a signature was wrong.
	keyAge   = 10 * time.Second
	keyDoubt = time.Second
)

// ticket is what the header says.
type ticket struct {
	engine.Hop
	number uint64
	addr   string
	head   string // the header's beginning: From, number, Brief
}

func newTicket(hop engine.Hop, number uint64, addr string) ticket {
	brief := " 0"
	if hop.Brief {
		brief = " 1"
	}
	return ticket{hop, number, addr, hop.From + " " + strconv.FormatUint(number, 16) + brief}
}

// signature signs a ticket for the server to, with what must not be changed of its request. No part can hold a line
// feed.
func (t *ticket) signature(k *key, to string, r *http.Request, target string) string {
	s := k.signers.Get().(*signer)
	defer k.signers.Put(s)
	text := s.text[:0]
	for _, part := range [...]string{"signalbox forward 1", to, t.head, t.addr, r.Method, r.Host, target} {
		text = append(append(text, part...), '\n')
	}
	for _, origin := range r.Header["Origin"] {
		text = append(append(text, origin...), '\n')
	}
	s.mac.Reset()
	s.mac.Write(text)
	sum := s.mac.Sum(text[:0])
	s.text = base64.RawURLEncoding.AppendEncode(sum, sum)
	return string(s.text[len(sum):])
}

// parseTicket reads a header; what it says has been proved by nothing.
func parseTicket(values []string) (t ticket, signature string, ok bool) {
	if len(values) != 1 {
		return t, "", false
	}
	parts := strings.SplitN(values[0], " ", 5)
	if len(parts) != 5 {
		return t, "", false
	}
	number, err := strconv.ParseUint(parts[1], 16, 64)
	t = newTicket(engine.Hop{From: parts[0], Brief: parts[2] == "1"}, number, parts[4])
	return t, parts[3], err == nil && parts[0] != ""
}

// key is a key that servers share.
type key struct {
	text    []byte
	signers sync.Pool // making one takes longer than using it
}

type signer struct {
	mac  hash.Hash
	text []byte
}

func newKey(text []byte) *key {
	return &key{text: text, signers: sync.Pool{New: func() any { return &signer{mac: hmac.New(sha256.New, text)} }}}
}

// keys are the key of today, and the one before it: Redis may have lost that.
type keys struct {
	read func(ctx context.Context, have []byte) ([]byte, error)

	reading sync.Mutex // held while it is looked up
	mu      sync.Mutex
	// mu guards the following.
	current, before *key
	at              time.Time // when it was looked up last
}

// get returns the keys, looked up less than age ago where that can be. current is nil where none was ever found.
func (k *keys) get(ctx context.Context, age time.Duration) (current, before *key) {
	current, before, fresh := k.known(age)
	if fresh || current != nil && !k.reading.TryLock() {
		return current, before
	}
	if current == nil {
		k.reading.Lock()
	}
	defer k.reading.Unlock()
	if current, before, fresh = k.known(age); fresh { // somebody else has looked it up
		return current, before
	}
	var have []byte
	if current != nil {
		have = current.text
	}
	found, err := k.read(context.WithoutCancel(ctx), have)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = time.Now()
	switch {
	case err != nil:
		k.at = k.at.Add(keyDoubt - keyAge)
	case !bytes.Equal(found, have):
		k.current, k.before = newKey(found), current
	}
	return k.current, k.before
}

func (k *keys) known(age time.Duration) (current, before *key, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current, k.before, time.Since(k.at) < age
}

// windowSize is how far the numbers of a server's requests may be out of order.
const windowSize = 1 << 16

// window knows which of a server's requests have come, so that none is taken twice.
type window struct {
	top  uint64 // the highest number that has come
	seen [windowSize / 64]uint64
}

// take reports whether number n has not come before.
func (w *window) take(n uint64) bool {
	if w.top >= windowSize && n <= w.top-windowSize {
		return false
	}
	for n > w.top {
		if n-w.top >= windowSize {
			w.seen, w.top = [windowSize / 64]uint64{}, n
			break
		}
		w.top++
		w.seen[w.top%windowSize/64] &^= 1 << (w.top % 64)
	}
	bit := uint64(1) << (n % 64)
	word := &w.seen[n%windowSize/64]
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}

// accept returns the ticket of a request that another server of the cluster has passed on to this one, and never did
// before.
func (f *Forwarder) accept(r *http.Request) (ticket, bool) {
	t, signature, ok := parseTicket(r.Header[header])
	if !ok || !f.o.Nodes.Knows(t.From) {
		return t, false
	}
	valid := func(age time.Duration) bool {
		current, before := f.keys.get(r.Context(), age)
		for _, k := range []*key{current, before} {
			if k != nil && hmac.Equal([]byte(signature), []byte(t.signature(k, f.o.ID, r, r.RequestURI))) {
				return true
			}
		}
		return false
	}
	if !valid(keyAge) && !valid(keyDoubt) {
		return t, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.windows[t.From]
	if w == nil {
		for node := range f.windows {
			if !f.o.Nodes.Knows(node) {
				delete(f.windows, node)
			}
		}
		w = new(window)
		f.windows[t.From] = w
	}
	return t, w.take(t.number)
}
