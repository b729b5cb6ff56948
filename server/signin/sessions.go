package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// maxSessions bounds the sign-ins at the same time; the oldest one ends when one more comes.
const maxSessions = 64

// Sessions are the sign-ins of this process. Only hashes of their keys are kept, so looking one up takes no time that would
// tell about a key, and memory holds nothing that opens a page.
type Sessions struct {
	Life time.Duration // of each; static

	mu sync.Mutex
	// mu guards the following.
	ends map[[sha256.Size]byte]time.Time
}

// Begin returns the key of a new session: 32 random bytes as text.
func (s *Sessions) Begin(now time.Time) string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	key := base64.RawURLEncoding.EncodeToString(b[:])

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil {
		s.ends = make(map[[sha256.Size]byte]time.Time)
	}
	dropOver(s.ends, now, maxSessions)
	s.ends[sha256.Sum256([]byte(key))] = now.Add(s.Life)
	return key
}

// Has reports whether key is that of a session which is not over.
func (s *Sessions) Has(key string, now time.Time) bool {
	hash := sha256.Sum256([]byte(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.ends[hash]
	if ok && !now.Before(end) {
		delete(s.ends, hash)
		return false
	}
	return ok
}

// EndAll ends every session.
func (s *Sessions) EndAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.ends)
}

// End ends the session with a key; there need not be one.
func (s *Sessions) End(key string) {
	hash := sha256.Sum256([]byte(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ends, hash)
}
