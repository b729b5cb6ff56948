package socketio

import (
	"context"
	"hash/maphash"
	"sync"

	"signalbox/server/app"
)

// This file is about handlers that take their time, and about namespaces that are there as long as they have clients.

// handler is a handler behind what asks for a token, and what is to be known of it.
type handler struct {
	app.Handler
	patient   bool
	momentary bool
	passing   bool    // its namespace is there as long as it has clients
	weight    float64 // of its CONNECT, where it is patient
}

func (s *Server) handler(h app.Handler) handler {
	out := handler{Handler: s.guard(h)}
	_, out.momentary = h.(app.Momentary)
	if p, ok := h.(app.Patient); ok {
		out.patient, out.weight = true, p.ConnectWeight()
	}
	return out
}

// others returns who serves a namespace that is there as long as it has clients; nil: nobody.
func (s *Server) others(namespace string) app.Handler {
	if s.cfg.Others == nil || len(namespace) > maxPassingName {
		return nil
	}
	return s.cfg.Others(namespace)
}

// maxPassingName bounds the name of a namespace that a client brings into being.
const maxPassingName = 255

// handlerOf returns who serves the namespace of a new peer, nobody where the library may. It is called before anybody else
// knows the peer.
func (s *Server) handlerOf(p *peer) handler {
	h, ok := s.handlers[p.name]
	if !ok {
		other := s.others(p.name)
		if other == nil {
			return handler{}
		}
		h = s.handler(other)
		h.patient, h.passing, p.visiting = true, true, true
		s.passing.add(p.name, 1)
	}
	if h.patient {
		p.gone = make(chan struct{})
	}
	return h
}

// attachLater is attach on a goroutine of its own.
func (s *Server) attachLater(p *peer, h handler, payload []byte) {
	s.asking.Go(func() {
		if h.passing {
			s.openPassing(p.name)
		}
		p.attach(h, payload)
	})
}

// awaitPatient returns when no handler is at its clients' CONNECT any more: they are gone, which it knows.
func (s *Server) awaitPatient(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // awaited here, but for a handler that does not look whether its client is gone
		s.asking.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// depart is called whenever a peer is released.
func (p *peer) depart() {
	p.mu.Lock()
	visiting := p.visiting
	p.visiting = false
	p.mu.Unlock()
	if visiting && p.server().passing.add(p.name, -1) == 0 {
		p.server().closePassing(p.name)
	}
}

// passing counts the clients of namespaces that are there as long as they have some. The zero value is ready.
type passing struct {
	mu sync.Mutex
	// mu guards the following.
	clients map[string]int

	seed  maphash.Seed
	turns [16]sync.Mutex // held, by name, while a namespace opens or closes
}

func (v *passing) add(name string, n int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.clients == nil {
		v.clients = make(map[string]int)
	}
	left := v.clients[name] + n
	if left == 0 {
		delete(v.clients, name)
	} else {
		v.clients[name] = left
	}
	return left
}

func (v *passing) turn(name string) *sync.Mutex {
	return &v.turns[maphash.String(v.seed, name)%uint64(len(v.turns))]
}

// openPassing makes a namespace known, for its first client, and returns when the others of the cluster reach it.
func (s *Server) openPassing(name string) {
	turn := s.passing.turn(name)
	turn.Lock()
	defer turn.Unlock()
	if s.namespace(name) == nil && s.passing.add(name, 0) > 0 {
		s.cluster.Open(name)
		s.namespaces.Store(name, newNamespace(s, name))
	}
}

// closePassing forgets a namespace, unless somebody has come meanwhile.
func (s *Server) closePassing(name string) {
	turn := s.passing.turn(name)
	turn.Lock()
	defer turn.Unlock()
	if s.passing.add(name, 0) == 0 && s.namespace(name) != nil {
		s.namespaces.Delete(name)
		s.cluster.Close(name)
	}
}
