package engine

import (
	"context"
	"math/rand/v2"
	"time"
)

// waveInterval is the mean time between two waves of a shutdown.
const waveInterval = 100 * time.Millisecond

// endAll ends every connection: at once, or in waves spread over spread, each in random order and at a time that varies by
// half an interval, so that those who come back elsewhere do not come together. It returns when the last wave has gone, all
// connections have ended, or ctx is done.
func (s *Server) endAll(ctx context.Context, spread time.Duration) {
	links := s.allLinks()
	waves := max(1, int(spread/waveInterval))
	if waves > 1 {
		rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	}
	for wave := range waves {
		if wave > 0 && !s.pause(ctx, waveInterval/2+rand.N(waveInterval)) {
			break
		}
		from, to := wave*len(links)/waves, (wave+1)*len(links)/waves
		for _, l := range links[from:to] {
			l.owner.Close(ReasonServerShutdown)
		}
	}
	for _, l := range s.allLinks() { // those who came while it was decided, and those whom no wave has reached
		l.owner.Close(ReasonServerShutdown)
	}
}

// pause waits, and reports whether it did to the end.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.empty:
		return false
	case <-ctx.Done():
		return false
	}
}
