package console

import (
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"signalbox/server/auth"
	"signalbox/server/signin"
)

const (
	// cookieName is the cookie of a session.
	cookieName = "signalbox_console"
	// sessionLife is how long a sign-in lasts.
	sessionLife = 8 * time.Hour
)

// gate lets in who knows the admin token: in the login form, which begins a session, or in Authorization.
type gate struct {
	// Static after construction.
	clientIP func(*http.Request) string
	log      *slog.Logger

	token    atomic.Pointer[string]
	sessions signin.Sessions
	failures signin.Failures
}

// verdict is what the gate says about a token.
type verdict uint8

const (
	wrong verdict = iota
	right
	tooMany // another wrong one after too many from this address
)

// check compares a token with the admin token. The right one gets in, however many wrong ones came from the same address: many
// people share one, behind a proxy all do. So the count of wrong ones protects the log from whoever tries, and the token
// protects itself by its length. The time it takes says nothing about the token.
func (g *gate) check(r *http.Request, given string) (verdict, time.Duration) {
	if auth.KeyMatches(given, *g.token.Load()) {
		return right, 0
	}
	addr := g.clientIP(r)
	if wait := g.failures.Take(addr, time.Now()); wait > 0 {
		return tooMany, wait
	}
	g.log.Warn("console: wrong admin token", "addr", addr)
	return wrong, 0
}

// session reports whether the request belongs to a session.
func (g *gate) session(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName)
	return err == nil && g.sessions.Has(cookie.Value, time.Now())
}

// admit lets a request of a session or with the token through. It answers the others: with the form where a page was
// asked for.
func (c *Console) admit(w http.ResponseWriter, r *http.Request, page bool) bool {
	if c.gate.session(r) {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		v, wait := c.gate.check(r, strings.TrimSpace(token))
		if v == right {
			return true
		}
		c.refuse(w, v, wait)
		http.Error(w, refusals[v], statusOf(v))
		return false
	}
	c.refuse(w, wrong, 0)
	if page && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		c.pages.sendLogin(w, r, http.StatusUnauthorized, "")
	} else {
		http.Error(w, refusals[wrong], http.StatusUnauthorized)
	}
	return false
}

// refusals is what those who are refused are told.
var refusals = map[verdict]string{
	wrong:   "That is not the admin token.",
	tooMany: "Too many attempts. Wait a minute and try again.",
}

// seconds writes a duration as Retry-After wants it: whole seconds, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

func statusOf(v verdict) int {
	if v == tooMany {
		return http.StatusTooManyRequests
	}
	return http.StatusUnauthorized
}

// refuse sets the headers that a refusal needs.
//
// Rule: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2 and https://www.rfc-editor.org/rfc/rfc6585#section-4
func (c *Console) refuse(w http.ResponseWriter, v verdict, wait time.Duration) {
	if v == tooMany {
		w.Header().Set("Retry-After", seconds(wait))
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="signalbox console"`)
}

// login takes the form. Whoever comes from there sees the page next, and the token is nowhere in its address.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if c.gate == nil {
		http.Redirect(w, r, Path, http.StatusSeeOther)
		return
	}
	form, err := readForm(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v, wait := c.gate.check(r, strings.TrimSpace(form.Get("token")))
	if v != right {
		c.refuse(w, v, wait)
		c.pages.sendLogin(w, r, statusOf(v), refusals[v])
		return
	}
	c.gate.log.Info("console: signed in", "addr", c.gate.clientIP(r))
	http.SetCookie(w, sessionCookie(r, c.gate.sessions.Begin(time.Now()), int(sessionLife/time.Second)))
	http.Redirect(w, r, Path, http.StatusSeeOther)
}

// logout ends the session.
func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	if c.gate != nil {
		if cookie, err := r.Cookie(cookieName); err == nil {
			c.gate.sessions.End(cookie.Value)
		}
		http.SetCookie(w, sessionCookie(r, "", -1))
	}
	http.Redirect(w, r, Path, http.StatusSeeOther)
}

// sessionCookie is readable by no script and sent with no request that another site causes. Where the browser speaks TLS,
// to a proxy in front of this server too, it is sent over TLS only.
func sessionCookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name:     cookieName,
		Value:    value,
		Path:     Path,
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
		SameSite: http.SameSiteStrictMode,
	}
}
