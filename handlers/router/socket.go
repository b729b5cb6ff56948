package router

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"signalbox/server/app"
)

// Socket is one client in one namespace as a backend knows it. Its methods may be called from any goroutine.
type Socket struct {
	// Static after construction.
	Peer    app.Peer
	Visit   string // names this visit, for what is told of its end
	Address string
	Since   time.Time
	proved  string // whom its token named when it came, "" for nobody
	router  *Router
	gone    <-chan struct{} // closed when the client has left

	mu sync.Mutex
	// mu guards the following.
	user string
	data json.RawMessage
}

// User returns who the client is, "" for nobody.
func (s *Socket) User() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// Data returns what the backend keeps with the client, as JSON; nil: nothing.
func (s *Socket) Data() json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// SetData keeps data, which is not changed any more, with the client.
func (s *Socket) SetData(data json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = data
}

// Context returns a context that ends when the client has left.
func (s *Socket) Context() context.Context { return untilGone{context.Background(), s.gone} }

// untilGone is a context that needs no goroutine to end.
type untilGone struct {
	context.Context
	gone <-chan struct{}
}

func (c untilGone) Done() <-chan struct{} { return c.gone }

func (c untilGone) Err() error {
	if isClosed(c.gone) {
		return context.Canceled
	}
	return nil
}

// Named says who the client is; "" changes nothing.
func (s *Socket) Named(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user != "" {
		s.user = user
	}
}
