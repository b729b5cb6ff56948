package presence

import (
	"context"
	"sync"
	"time"
)

const (
	// largeRoom is from how many connections on who is in a room is found out once a second and not for each question.
	largeRoom = 1000
	// sharedFor is how long that is.
	sharedFor = time.Second
	// largeFor is for how long a room that was large somewhere is taken to be.
	largeFor = time.Minute
	// askTimeout bounds a question that several clients wait for.
	askTimeout = time.Second
)

// shared keeps answers about large rooms for those who ask the same a moment later. The zero value is ready.
type shared struct {
	mu sync.Mutex
	// mu guards the following.
	large   map[string]struct{}
	pages   map[pageKey]*sharedPage
	reports map[string]roomReport // of this node
}

type pageKey struct {
	room, cursor string
	limit        int
}

type sharedPage struct {
	done     chan struct{} // closed when the others are known
	page     RoomPage
	complete bool
}

func (s *shared) isLarge(room string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.large[room]
	return is
}

func (s *shared) setLarge(room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.large == nil {
		s.large = make(map[string]struct{})
	}
	if _, is := s.large[room]; is {
		return
	}
	s.large[room] = struct{}{}
	time.AfterFunc(largeFor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.large, room)
	})
}

// get returns an answer that is at most [sharedFor] old, or asks: one asks for all.
func (s *shared) get(ctx context.Context, key pageKey, ask func(context.Context) (RoomPage, bool)) (page RoomPage, complete bool) {
	s.mu.Lock()
	p := s.pages[key]
	if p == nil {
		if s.pages == nil {
			s.pages = make(map[pageKey]*sharedPage)
		}
		p = &sharedPage{done: make(chan struct{})}
		s.pages[key] = p
		s.mu.Unlock()
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		p.page, p.complete = ask(asking)
		close(p.done)
		time.AfterFunc(sharedFor, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.pages, key)
		})
		return p.page, p.complete
	}
	s.mu.Unlock()
	select {
	case <-p.done:
		return p.page, p.complete
	case <-ctx.Done():
		return RoomPage{}, false
	}
}

// report returns who is in a room at this node, as find finds out; of a large room as it was up to [sharedFor] ago.
func (s *shared) report(room string, find func(room string) roomReport) roomReport {
	s.mu.Lock()
	r, ok := s.reports[room]
	s.mu.Unlock()
	if ok {
		return r
	}
	r = find(room)
	if r.Connections < largeRoom {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reports == nil {
		s.reports = make(map[string]roomReport)
	}
	if _, ok := s.reports[room]; !ok {
		s.reports[room] = r
		time.AfterFunc(sharedFor, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.reports, room)
		})
	}
	return r
}
