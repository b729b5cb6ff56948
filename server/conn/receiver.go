package conn

import (
	"context"
	"log/slog"
	"runtime/debug"
)

// Receiver is what a connection delivers to. Calls come one at a time and in order, on the goroutine that reads: the
// next message waits until the call returns.
type Receiver interface {
	// Text takes one message. data is valid until Text returns. An error ends the connection, with [ReasonParseError]
	// where it is a [WebSocket].
	Text(data []byte) error
	// Binary takes one binary message, under the same conditions.
	Binary(data []byte) error
	// Closed is called once, after the last Text or Binary. No lock of this package is held.
	Closed(reason Reason)
}

// Named may be implemented by a [Receiver]: the log then names its client where the connection is cut.
type Named interface {
	// Names returns the id by which the client knows itself, and its user; "" for what is not known. It is called
	// before Closed.
	Names() (id, user string)
}

// Nobody receives for a connection that the program above did not want.
type Nobody struct{}

func (Nobody) Text([]byte) error   { return nil }
func (Nobody) Binary([]byte) error { return nil }
func (Nobody) Closed(Reason)       {}

// closer is the part of a [Receiver] that is told the end.
type closer interface{ Closed(reason Reason) }

// TellClosed calls a receiver's Closed. A panic in it ends nothing more. Where the connection was cut it is logged,
// with attrs.
func (c *Conn) TellClosed(r closer, reason Reason, attrs ...slog.Attr) {
	log := c.srv.cfg.Log
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic while closing", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if reason.cut() && log.Enabled(context.Background(), slog.LevelDebug) { // somebody may ask
		if named, ok := r.(Named); ok {
			id, user := named.Names()
			attrs = append(attrs, slog.String("client", id), slog.String("user", user))
		}
		attrs = append(attrs, slog.String("addr", c.addr), slog.String("reason", reason.String()))
		log.LogAttrs(context.Background(), slog.LevelDebug, "client was cut", attrs...)
	}
	r.Closed(reason)
}
