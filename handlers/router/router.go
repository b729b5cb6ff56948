package router

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/trace"
)

// ConnectEvent stands in a pattern for the question whether a client may come in.
const ConnectEvent = "connect"

// Rank breaks a tie between patterns: the lower one wins.
type Rank uint8

const (
	RankGo Rank = iota
	RankWorker
	RankHook
)

// Options are what a router is made of. Hub and Log are needed.
type Options struct {
	Hub *hub.Hub
	// Verify says whom a client's token speaks for, where nothing before the router has; nil: nobody does.
	Verify func(token string) (*auth.Identity, error)
	// Token returns the token of a CONNECT, "" without one.
	Token func(app.Handshake) string
	// Watch hears of clients that no backend was asked about; nil: nobody does.
	Watch Leaver
	// Occupancy tells backends who is there; nil: nobody does.
	Occupancy *Occupancy
	// Tracer is told of clients that want to come in; nil: nobody is.
	Tracer *trace.Tracer
	Log    *slog.Logger
}

// Leaver is a [Backend] that hears when a client has left that it let in, after the last of its events.
type Leaver interface {
	Left(s *Socket, reason string)
}

// ReasonNotAdmitted is the reason of a client that a backend let in and that did not come in after all.
const ReasonNotAdmitted = "not admitted"

// Router owns the application's backends. Make it with [New], give it its routes, then clients.
type Router struct {
	// Static after construction.
	o     Options
	local map[string]bool // namespaces whose CONNECT no pattern but connect itself takes

	ctx    context.Context // of events; ends when waiting for them does
	cancel context.CancelFunc
	queues sync.WaitGroup // those at work, awaited by Close

	// Set before the first client.
	routes []route

	counters counters
}

type route struct {
	pattern Pattern
	rank    Rank
	backend Backend
}

// New returns a router without routes.
func New(o Options) *Router {
	r := &Router{o: o, local: map[string]bool{"/": true, "/chat": true}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Route has a backend own the events that patterns name. It is called before the first client.
func (r *Router) Route(rank Rank, backend Backend, patterns ...Pattern) {
	for _, p := range patterns {
		r.routes = append(r.routes, route{p, rank, backend})
	}
	slices.SortStableFunc(r.routes, func(a, b route) int {
		return cmp.Or(cmp.Compare(b.pattern.Literal(), a.pattern.Literal()), cmp.Compare(a.rank, b.rank))
	})
}

// space is what the routes say of one namespace.
type space struct {
	routes  []route // the best first
	connect Backend // nil: nobody is asked
	leaver  Leaver  // nil: nobody hears of who has left
}

// owner returns who owns an event; nil: whoever else serves the namespace.
func (s *space) owner(event string) Backend {
	for i := range s.routes {
		if matches(s.routes[i].pattern.Event, event) {
			return s.routes[i].backend
		}
	}
	return nil
}

// space returns what the routes say of a namespace; nil: nothing.
func (r *Router) space(namespace string) *space {
	s := new(space)
	for _, route := range r.routes {
		if route.pattern.MatchesNamespace(namespace) {
			s.routes = append(s.routes, route)
		}
	}
	if len(s.routes) == 0 {
		return nil
	}
	s.leaver = r.o.Watch
	for _, route := range s.routes {
		event := route.pattern.Event
		if event == ConnectEvent || !r.local[namespace] && matches(event, ConnectEvent) {
			s.connect = route.backend
			break
		}
	}
	if s.connect == nil && !r.local[namespace] {
		s.connect = s.routes[0].backend
	}
	if s.connect != nil {
		s.leaver, _ = s.connect.(Leaver)
	}
	return s
}

// Asked returns who is asked whether a client may come in to a namespace; nil: nobody is.
func (r *Router) Asked(namespace string) Backend {
	if s := r.space(namespace); s != nil {
		return s.connect
	}
	return nil
}

// Others returns who serves a namespace without a handler of its own; nil: nobody does.
func (r *Router) Others(namespace string) app.Handler {
	if s := r.space(namespace); s != nil {
		return &door{router: r, space: s}
	}
	return nil
}

// Before returns the handler of a namespace behind the routes that name it; inner itself where none does.
func (r *Router) Before(namespace string, inner app.Handler) app.Handler {
	s := r.space(namespace)
	switch {
	case s == nil && r.o.Watch == nil:
		return inner
	case s == nil:
		s = &space{leaver: r.o.Watch}
	}
	d := &door{router: r, space: s, inner: inner}
	if _, ok := inner.(app.SelfGuarding); ok {
		return selfGuarding{d}
	}
	return d
}

type selfGuarding struct{ *door }

func (selfGuarding) SelfGuarding() {}

// Close ends what is still with backends when ctx is over, and returns when nothing is. It is called after the last client has
// gone.
func (r *Router) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	r.queues.Wait()
	r.cancel()
}
