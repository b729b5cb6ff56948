package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"signalbox/handlers/router"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// Options are what a namespace is made of. Hub and Log are needed.
type Options struct {
	Hub *hub.Hub
	// Asker asks clients for answers, for [Socket.Ask]: a socketio.Server; nil: nobody can.
	Asker Asker
	Log   *slog.Logger
}

// Asker sends an event that clients are asked to answer.
type Asker interface {
	EmitWithAck(ctx context.Context, to hub.Selection, msg *hub.Message,
		answer func(sid string, args []json.RawMessage, attachments [][]byte)) (asked int, complete bool)
}

// Namespace is a namespace of a Go program: an [app.Handler]. Make it with [New] and give it its functions before the first
// client comes. Events of one client are handled one at a time, in order, and those of different clients side by side.
type Namespace struct {
	app.Handler

	// Static after construction.
	name   string
	o      Options
	router *router.Router

	// Set before the first client.
	handlers     map[string]handler
	onConnect    func(ctx context.Context, c *Connecting) error
	onDisconnect func(s *Socket, reason string)
}

type handler func(ctx context.Context, s *Socket, e *router.Event) (*router.Result, error)

// New returns a namespace without functions. name begins with a slash.
func New(name string, o Options) *Namespace {
	n := &Namespace{name: name, o: o, handlers: make(map[string]handler)}
	n.router = router.New(router.Options{Hub: o.Hub, Log: o.Log})
	n.router.Route(router.RankGo, backend{n}, router.Pattern{Namespace: name, Event: "*"})
	n.Handler = n.router.Others(name)
	return n
}

// Name returns the namespace's name.
func (n *Namespace) Name() string { return n.name }

// ConnectWeight implements [app.Patient]: functions may take their time.
func (n *Namespace) ConnectWeight() float64 { return 0 }

// Close returns when the last event is handled, or ctx is over. It is called when the last client has gone.
func (n *Namespace) Close(ctx context.Context) { n.router.Close(ctx) }

// None is a result without a value: the client's callback is called without arguments.
type None struct{}

// Args are all arguments of an event, for a function that wants more than the first.
type Args []json.RawMessage

// Error is an error whose text the client is told. Others are logged, and the client hears "internal error".
type Error = router.Failure

// Errorf returns an [Error].
func Errorf(format string, args ...any) error { return &Error{Message: fmt.Sprintf(format, args...)} }

// On has f handle an event. Its argument is the event's first one, decoded as encoding/json does, or [Args]; one that cannot be
// decoded is answered with an error. What f returns is the client's answer, [None] is an answer without a value, and an error is
// {ok: false, error}. ctx ends when the client has left; a panic fails the event alone.
func On[A, R any](n *Namespace, event string, f func(ctx context.Context, s *Socket, arg A) (R, error)) {
	if app.IsReserved(event) || n.handlers[event] != nil {
		panic(fmt.Sprintf("events: %s: the event %q is reserved, or has a function", n.name, event)) // a programmer's mistake
	}
	n.handlers[event] = func(ctx context.Context, s *Socket, e *router.Event) (*router.Result, error) {
		var arg A
		if err := decode(e.Args, &arg); err != nil {
			return nil, Errorf("invalid argument: %s", err)
		}
		r, err := f(ctx, s, arg)
		if err != nil {
			return nil, n.fault(s, event, err)
		}
		if _, none := any(r).(None); none || !e.Ack {
			return new(router.Result), nil
		}
		ack, attachments, err := marshal([]any{r})
		if err != nil {
			return nil, n.fault(s, event, err)
		}
		return &router.Result{Ack: ack, Attachments: attachments}, nil
	}
}

// fault returns what the client is told of an error, and logs what it is not.
func (n *Namespace) fault(s *Socket, event string, err error) error {
	if told := (*Error)(nil); errors.As(err, &told) {
		return told
	}
	n.o.Log.Error("a handler failed", "namespace", n.name, "event", event, "sid", s.ID(), "error", err)
	return &Error{Message: "internal error"}
}

// decode reads the first argument, or all of them.
func decode(args []json.RawMessage, into any) error {
	if all, ok := into.(*Args); ok {
		*all = args
		return nil
	}
	if len(args) == 0 {
		if reflect.TypeOf(into).Elem() == reflect.TypeFor[None]() {
			return nil
		}
		return errors.New("there is none")
	}
	return json.Unmarshal(args[0], into)
}

// OnConnect has f look at each client that wants to come in. An error turns it away: an [app.ConnectError], or the text of any other.
func (n *Namespace) OnConnect(f func(ctx context.Context, c *Connecting) error) { n.onConnect = f }

// OnDisconnect has f hear of each client that has left, after the last of its events.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason string)) { n.onDisconnect = f }

// backend is a namespace as the router sees it.
type backend struct{ n *Namespace }

func (b backend) Remote() bool { return false }

func (b backend) Connect(ctx context.Context, c *router.Connect) (*router.Welcome, error) {
	s := &Socket{inner: c.Socket, namespace: b.n}
	w := &Connecting{Socket: s, Auth: c.Auth, Query: c.Query, Header: c.Headers, Address: c.Address}
	if b.n.onConnect == nil {
		return new(router.Welcome), nil
	}
	if err := b.n.onConnect(ctx, w); err != nil {
		if refusal := (*app.ConnectError)(nil); errors.As(err, &refusal) || errors.Is(err, app.ErrUnavailable) {
			return nil, err
		}
		return nil, &app.ConnectError{Message: err.Error()}
	}
	return &router.Welcome{User: w.user, Data: c.Socket.Data()}, nil
}

func (b backend) Event(_ context.Context, e *router.Event) (*router.Result, error) {
	f := b.n.handlers[e.Name]
	if f == nil {
		return nil, Errorf("unknown event")
	}
	return f(e.Socket.Context(), &Socket{inner: e.Socket, namespace: b.n}, e)
}

func (b backend) Left(s *router.Socket, reason string) {
	if b.n.onDisconnect != nil {
		b.n.onDisconnect(&Socket{inner: s, namespace: b.n}, reason)
	}
}

// marshal writes arguments as JSON. A []byte is an attachment.
func marshal(args []any) (raw []json.RawMessage, attachments [][]byte, err error) {
	raw = make([]json.RawMessage, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case []byte:
			raw[i] = rawjson.AppendPlaceholder(nil, len(attachments))
			attachments = append(attachments, v)
		case json.RawMessage:
			raw[i] = v
		default:
			if raw[i], err = rawjson.Marshal(arg); err != nil {
				return nil, nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		}
	}
	return raw, attachments, nil
}
