package handlers

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
)

// tapScope is the scope that a token needs for /tap and /events where tokens are required.
const tapScope = "tap"

var (
	errUnauthorized = &app.Refusal{Status: http.StatusUnauthorized}
	errForbidden    = &app.Refusal{Status: http.StatusForbidden}
)

// gatekeeper decides by token who may come in. It is shared and never changes.
type gatekeeper struct {
	verifier Verifier
	required bool // doors that are open otherwise ask for a token too
	counters *doorCounters
	log      *slog.Logger
}

// verify returns whom a token speaks for. The error says nothing about why: the client is not to know.
func (g *gatekeeper) verify(token string) (*auth.Identity, error) {
	id, err := g.verifier.Verify(token)
	if err != nil {
		g.counters.unauthorized.Add(1)
		g.log.Debug("token refused", "reason", auth.Reason(err))
		return nil, errUnauthorized
	}
	return id, nil
}

// optional returns whom the visit's token speaks for, nil for nobody where none is required. A token that is there has
// to be good: nobody wants to be taken for a stranger because the own token has run out.
func (g *gatekeeper) optional(v app.Visit) (*auth.Identity, error) {
	if v.Token == "" && !g.required && v.Query("token") == "" {
		return nil, nil
	}
	return g.verify(v.Token)
}

// scoped asks for a token with a scope where tokens are required, and for nothing elsewhere.
func (g *gatekeeper) scoped(v app.Visit, scope string) (*auth.Identity, error) {
	if !g.required {
		return nil, nil
	}
	id, err := g.verify(v.Token)
	if err != nil {
		return nil, err
	}
	if !id.HasScope(scope) {
		return nil, errForbidden
	}
	return id, nil
}

// watch holds id for the life of a connection; without one it returns nil, and a nil lease may be stopped.
func (g *gatekeeper) watch(id *auth.Identity, soon func(expires time.Time), expired func()) *auth.Lease {
	if id == nil {
		return nil
	}
	warn := func(left time.Duration) { soon(time.Now().Add(left).Round(time.Millisecond)) }
	if soon == nil {
		warn = nil
	}
	return auth.Watch(id, warn, func() {
		g.counters.expired.Add(1)
		expired()
	})
}

// renew goes on with a newer token, and returns the reason in words where that cannot be.
func (g *gatekeeper) renew(lease *auth.Lease, token string) (*auth.Identity, error) {
	id, err := g.verify(token)
	if err != nil {
		return nil, errAuthentication
	}
	if err := lease.Renew(id); err != nil {
		g.log.Debug("renewal refused", "reason", auth.Reason(err))
		return nil, errAuthentication
	}
	g.counters.renewed.Add(1)
	return id, nil
}

func stopLease(l *auth.Lease) {
	if l != nil {
		l.Stop()
	}
}

// isoLayout is how JavaScript's Date writes itself as JSON.
const isoLayout = "2006-01-02T15:04:05.000Z"

// appendExpiry appends {"expiresAt":"..."}, null for a token that does not expire.
func appendExpiry(dst []byte, expires time.Time) []byte {
	dst = append(dst, `{"expiresAt":`...)
	dst = appendTime(dst, expires)
	return append(dst, '}')
}

// appendTime appends a time as a JSON string, the zero time as null.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, isoLayout)
	return append(dst, '"')
}

// jsonText returns s as a JSON string.
func jsonText(s string) json.RawMessage { return appendJSONString(nil, s) }
