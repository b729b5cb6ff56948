package adminui

import (
	"context"
	"errors"
	"regexp"
	"time"

	"golang.org/x/crypto/bcrypt"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

const (
	// sessionLife is how long a sign-in lasts, as in the store that Node servers share.
	sessionLife = 24 * time.Hour
	// checksAtOnce bounds how many passwords are checked at the same time: each takes a processor for a tenth of a second.
	checksAtOnce = 2
	// maxWaiting bounds how many wait for that.
	maxWaiting = 32
)

// The page shows its form again at the first of these, and the text of the other.
var (
	errCredentials = errors.New("invalid credentials")
	errTooMany     = errors.New("too many attempts, wait a minute and try again")
)

// Shared keeps the sign-ins of all servers of a cluster.
type Shared interface {
	// Save keeps a session for a time.
	Save(ctx context.Context, id string, life time.Duration) error
	// Has reports whether there is a session.
	Has(ctx context.Context, id string) (bool, error)
}

var (
	_ app.Patient      = (*Admin)(nil)
	_ app.SelfGuarding = (*Admin)(nil)
)

// SelfGuarding implements [app.SelfGuarding]: it has a password of its own.
func (a *Admin) SelfGuarding() {}

// Momentary implements [app.Momentary]: a page that comes back is sent everything anew.
func (a *Admin) Momentary() {}

// ConnectWeight implements [app.Patient].
func (a *Admin) ConnectWeight() float64 { return app.WeightConnectAsked }

// Connect implements [app.Handler].
//
// Rule: "session" goes out behind the CONNECT packet: the page does not listen before.
func (a *Admin) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	session, err := a.signIn(hs)
	if err != nil {
		return nil, err
	}
	if session != "" {
		_ = p.Emit("session", session) // who has gone is told through Close
	}
	_ = p.Emit("config", a.config)
	a.o.Hub.Enter(p.Member(), hub.EverybodyRoom(Namespace)) // before the figures that it is the first to be told
	a.mu.Lock()
	a.pages[p] = struct{}{}
	a.mu.Unlock()
	a.listened.Store(true)
	a.o.Nodes.Tell(topic, []byte(tellSignedIn))
	a.hurry()
	return &page{a, p}, nil
}

// signIn looks who comes. It returns the id of a new session, "" where the client has one.
func (a *Admin) signIn(hs app.Handshake) (session string, err error) {
	f, _ := rawjson.Fields(hs.Auth, "sessionId", "username", "password")
	if len(f) < 3 {
		return "", errCredentials
	}
	if id, ok := rawjson.Text(f[0]); ok && a.hasSession(id, hs.RemoteAddr) {
		return "", nil
	}
	user, hasUser := rawjson.Text(f[1])
	password, hasPassword := rawjson.Text(f[2])
	if !hasUser || !hasPassword || password == "" {
		return "", errCredentials
	}
	// Each attempt counts before the password is checked, which is what costs.
	if a.failures.Take(hs.RemoteAddr, time.Now()) > 0 {
		return "", errTooMany
	}
	right, err := a.check(user, password, hs.Gone)
	switch {
	case err != nil:
		return "", err
	case !right:
		a.o.Log.Warn("admin UI: wrong user or password", "addr", hs.RemoteAddr)
		return "", errCredentials
	}
	a.failures.Forgive(hs.RemoteAddr)
	a.o.Log.Info("admin UI: signed in", "addr", hs.RemoteAddr)
	session = a.sessions.Begin(time.Now())
	if a.o.Shared != nil {
		if err := a.o.Shared.Save(a.ctx, session, sessionLife); err != nil {
			a.o.Log.Warn("admin UI: other servers do not know the sign-in", "error", err)
		}
	}
	return session, nil
}

// check compares user and password. It takes as long for a wrong user.
func (a *Admin) check(user, password string, gone <-chan struct{}) (right bool, err error) {
	defer a.waiting.Add(-1)
	if a.waiting.Add(1) > maxWaiting {
		return false, errTooMany
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-gone:
		return false, errCredentials
	}
	known := a.account.Load()
	right = bcrypt.CompareHashAndPassword([]byte(known.hash), []byte(password)) == nil
	return auth.KeyMatches(user, known.user) && right, nil
}

// sessionID is the form of our ids, and of Node's.
var sessionID = regexp.MustCompile(`^[\w-]{16,64}$`)

// hasSession reports whether there is a session. What only Redis may know counts as an attempt, unless it does.
func (a *Admin) hasSession(id, addr string) bool {
	now := time.Now()
	switch {
	case !sessionID.MatchString(id):
		return false
	case a.sessions.Has(id, now):
		return true
	case a.o.Shared == nil || a.failures.Take(addr, now) > 0:
		return false
	}
	has, err := a.o.Shared.Has(a.ctx, id)
	if err != nil {
		a.o.Log.Warn("admin UI: a sign-in at another server cannot be looked up", "error", err)
	}
	if has || err != nil {
		a.failures.Forgive(addr)
	}
	return has
}
