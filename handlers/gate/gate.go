// Package gate decides by token who may come in, and ends what a client does here with its token.
package gate

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
)

// ScopeTap is the scope that a token needs for /tap and /events where tokens are required.
const ScopeTap = "tap"

var (
	// ErrUnauthorized and ErrForbidden turn a visit away.
	ErrUnauthorized = &app.Refusal{Status: http.StatusUnauthorized}
	ErrForbidden    = &app.Refusal{Status: http.StatusForbidden}
	// ErrAuthentication is what a Socket.IO client is told. Existing clients compare the text.
	ErrAuthentication = errors.New("Authentication failed") //nolint:staticcheck // the text is the protocol's
)

// Verifier says whom a token speaks for; [auth.Verifier] is one.
type Verifier interface {
	Verify(token string) (*auth.Identity, error)
}

// Gate is shared by all handlers. Its methods may be called from any goroutine.
type Gate struct {
	// Static after construction.
	verifier Verifier
	required bool // doors that are open otherwise ask for a token too
	log      *slog.Logger

	stats Stats
}

// New returns a gate. With required, doors that are open otherwise ask for a token too.
func New(v Verifier, required bool, log *slog.Logger) *Gate {
	return &Gate{verifier: v, required: required, log: log}
}

// Stats is what a gate has done since it was made.
type Stats struct {
	// Unauthorized are clients that were turned away, or cut, for a missing or bad token or ticket.
	Unauthorized atomic.Uint64
	// Expired are connections that ended with their token, and Renewed those that got a newer one.
	Expired, Renewed atomic.Uint64
}

// Stats returns what was done so far; it goes on counting.
func (g *Gate) Stats() *Stats { return &g.stats }

// CountRefused counts a client that was turned away, or cut, by a handler of its own accord.
func (g *Gate) CountRefused() { g.stats.Unauthorized.Add(1) }

// Client is how the log names one.
type Client struct {
	ID   string // the socket id, or the id that the door made up
	User string // "" where nothing proves one
	Addr string
}

// Cut logs that a client is cut by its handler.
func (g *Gate) Cut(c Client, reason string) {
	g.log.LogAttrs(context.Background(), slog.LevelDebug, "client cut",
		slog.String("sid", c.ID), slog.String("user", c.User), slog.String("address", c.Addr), slog.String("reason", reason))
}

// Verify returns whom a token speaks for. The error says nothing about why: the client is not to know.
func (g *Gate) Verify(token string) (*auth.Identity, error) {
	id, err := g.verifier.Verify(token)
	if err != nil {
		g.stats.Unauthorized.Add(1)
		g.log.Debug("token refused", "reason", auth.Reason(err))
		return nil, ErrUnauthorized
	}
	return id, nil
}

// Peek is Verify for a token that need not be one of ours: a bad one is not counted.
func (g *Gate) Peek(token string) (*auth.Identity, error) { return g.verifier.Verify(token) }

// Optional returns whom the visit's token speaks for, nil for nobody where none is required. A token that is there has
// to be good: nobody wants to be taken for a stranger because the own token has run out.
func (g *Gate) Optional(v app.Visit) (*auth.Identity, error) {
	if v.Token == "" && !g.required && v.Query("token") == "" {
		return nil, nil
	}
	return g.Verify(v.Token)
}

// Scoped asks for a token with a scope where tokens are required, and for nothing elsewhere.
func (g *Gate) Scoped(v app.Visit, scope string) (*auth.Identity, error) {
	if !g.required {
		return nil, nil
	}
	id, err := g.Verify(v.Token)
	if err != nil {
		return nil, err
	}
	if !id.HasScope(scope) {
		return nil, ErrForbidden
	}
	return id, nil
}

// Watch holds id for the life of a client's connection, which expired ends; without one it returns nil, and a nil lease may be
// stopped.
func (g *Gate) Watch(c Client, id *auth.Identity, soon func(expires time.Time), expired func()) *auth.Lease {
	if id == nil {
		return nil
	}
	warn := func(left time.Duration) { soon(time.Now().Add(left).Round(time.Millisecond)) }
	if soon == nil {
		warn = nil
	}
	return auth.Watch(id, warn, func() {
		g.stats.Expired.Add(1)
		g.Cut(c, "token expired")
		expired()
	})
}

// Renew goes on with a newer token, and returns the reason in words where that cannot be.
func (g *Gate) Renew(lease *auth.Lease, token string) (*auth.Identity, error) {
	id, err := g.Verify(token)
	if err != nil {
		return nil, ErrAuthentication
	}
	if err := lease.Renew(id); err != nil {
		g.log.Debug("renewal refused", "reason", auth.Reason(err))
		return nil, ErrAuthentication
	}
	g.stats.Renewed.Add(1)
	return id, nil
}

// Again goes on with the token of a client that comes back, which need not be another one.
func (g *Gate) Again(lease *auth.Lease, token string) (*auth.Identity, error) {
	id, err := g.Verify(token)
	if err == nil {
		err = lease.Renew(id)
	}
	if err != nil {
		return nil, ErrAuthentication
	}
	return id, nil
}

// Stop ends a lease; nil: there is none.
func Stop(l *auth.Lease) {
	if l != nil {
		l.Stop()
	}
}
