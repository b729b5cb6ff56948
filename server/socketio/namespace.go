package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"signalbox/server/hub"
)

// namespace is one namespace of this process, with a handler or of the library.
type namespace struct {
	// Static after construction.
	server *Server
	name   string
	nextID func() uint64 // for acks

	questions questions
}

func newNamespace(s *Server, name string) *namespace {
	ids := new(atomic.Uint64)
	return &namespace{server: s, name: name, nextID: func() uint64 { return ids.Add(1) }}
}

// namespace returns what is known of a namespace; nil where there is none of that name.
func (s *Server) namespace(name string) *namespace {
	n, ok := s.namespaces.Load(name)
	if !ok {
		return nil
	}
	return n.(*namespace)
}

// audience returns the clients of a namespace that sel selects, each once; everybody where it names no room. Who is not
// yet, or no longer, let in is not among them.
func (s *Server) audience(namespace string, sel hub.Selection) []*peer {
	members := s.hub.Select(namespace, sel)
	peers := make([]*peer, 0, len(members))
	for _, m := range members {
		if p, ok := m.Sink().(*peer); ok && p.name == namespace && p.status() != asked {
			peers = append(peers, p)
		}
	}
	return peers
}

// Recovered is deferred around what belongs to a program: a panic there is logged, and ends nothing but the call.
func (s *Server) Recovered(namespace string) {
	if r := recover(); r != nil {
		s.Panicked(namespace, "", r)
	}
}

// Panicked counts and logs what was recovered in a namespace. sid is the client that it was about, if one.
func (s *Server) Panicked(namespace, sid string, recovered any) {
	s.counters.panics.Add(1)
	s.log.Error("a handler panicked", "namespace", namespace, "sid", sid,
		"panic", fmt.Sprint(recovered), "stack", string(debug.Stack()))
}

// authObject returns the payload of a CONNECT packet, {} without one.
func authObject(payload []byte) json.RawMessage {
	if len(bytes.TrimSpace(payload)) == 0 {
		return json.RawMessage("{}")
	}
	return payload
}
