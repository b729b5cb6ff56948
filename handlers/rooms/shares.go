package rooms

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"signalbox/store"
)

const (
	// sharePart and shareTime bound what one sender adds to the histories of all rooms together: a part of what they may
	// hold at once, and again as much in that time. So who floods rooms does not push out what others have said.
	sharePart = 8
	shareTime = time.Hour
	// maxSenders bounds how many senders are remembered.
	maxSenders = 1 << 15
)

// shares bound what each sender adds to the history. The zero value bounds nothing.
type shares struct {
	// Static after construction.
	messages, bytes int

	mu sync.Mutex
	// mu guards the following.
	senders map[string]*share
}

// share is what one sender may still add.
type share struct{ messages, bytes *rate.Limiter }

// bound makes the shares those of a history with such limits. It is called before the first take.
func (s *shares) bound(limits store.HistoryLimits) {
	s.messages, s.bytes = max(1, limits.Messages/sharePart), max(1, int(limits.Bytes/sharePart))
	s.senders = map[string]*share{}
}

// take counts a message of a sender, and reports whether it is within its share.
func (s *shares) take(sender string, bytes int, now time.Time) bool {
	if s.senders == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.senders[sender]
	if sh == nil {
		if len(s.senders) >= maxSenders {
			s.forgetLocked(now)
		}
		limiter := func(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/shareTime.Seconds()), n) }
		sh = &share{messages: limiter(s.messages), bytes: limiter(s.bytes)}
		s.senders[sender] = sh
	}
	return sh.bytes.TokensAt(now) >= float64(bytes) && sh.messages.AllowN(now, 1) && sh.bytes.AllowN(now, bytes)
}

// forgetLocked forgets an eighth of the senders at least: first those whose share is whole again, which loses nothing.
func (s *shares) forgetLocked(now time.Time) {
	for sender, sh := range s.senders {
		if sh.bytes.TokensAt(now) >= float64(s.bytes) {
			delete(s.senders, sender)
		}
	}
	for sender := range s.senders {
		if len(s.senders) <= maxSenders-maxSenders/8 {
			return
		}
		delete(s.senders, sender)
	}
}
