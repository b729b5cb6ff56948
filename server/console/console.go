package console

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signalbox/server/signin"
)

// Path is where the page is; what belongs to it lies below.
const Path = "/console"

const (
	// maxFormBytes bounds what is posted to the console.
	maxFormBytes = 8 << 10
	// maxTokenTTL bounds how long a token for trying out is good.
	maxTokenTTL = 24 * time.Hour
)

// Config is what a console is made of. TryOut, Stats, ClientIP and Log are needed.
type Config struct {
	// AdminToken is what whoever opens the console has to know; empty: only those get in whom TryOut lets in.
	AdminToken string
	// TryOut reports whether a request comes from somebody who tries this server out on its own machine.
	TryOut func(*http.Request) bool
	// Version is that of the binary.
	Version string
	// Stats reads the counters. It is called from any goroutine, at most four times per second.
	Stats func() Stats
	// Mint makes a token for those whom TryOut lets in; nil: this server does not make tokens. It is called from any goroutine; the text
	// of its error goes to the page.
	Mint func(TokenRequest) (string, error)
	// Logic shows those whom TryOut lets in what goes to the application's backend, below logic; nil: there is nothing to show.
	Logic http.Handler
	// Inside answers counts, clients and handlers to who may see the console.
	Inside http.Handler
	// ClientIP returns the address of the client behind a request.
	ClientIP func(*http.Request) string
	Log      *slog.Logger
}

// TokenRequest says whom a token for trying out speaks for.
type TokenRequest struct {
	UserID string
	Name   string
	// Rooms are names and prefix* patterns; nil: every room.
	Rooms []string
	TTL   time.Duration
}

// Console serves the page and what belongs to it. Make it with [New].
type Console struct {
	// Static after construction.
	cfg     Config
	gate    *gate // nil: open
	pages   pages
	reading reading
	posts   http.CrossOriginProtection
}

// New returns the console of cfg.
func New(cfg Config) *Console {
	c := &Console{cfg: cfg, pages: loadPages(), reading: reading{read: cfg.Stats}}
	if cfg.AdminToken != "" {
		c.gate = &gate{
			clientIP: cfg.ClientIP, log: cfg.Log, sessions: signin.Sessions{Life: sessionLife},
		}
		c.gate.token.Store(&cfg.AdminToken)
	}
	return c
}

// SetToken has another admin token open a console that one opened before, and ends sign-ins with that.
func (c *Console) SetToken(token string) {
	if c.gate != nil && token != "" && *c.gate.token.Swap(&token) != token {
		c.gate.sessions.EndAll()
	}
}

// ServeHTTP serves [Path] and what lies below. Every answer keeps the page's own rules: no other origin reads it, and no
// page frames it, whatever the rest of the server allows.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.pages.protect(w.Header())
	if err := c.posts.Check(r); err != nil {
		http.Error(w, "not from another site", http.StatusForbidden)
		return
	}
	if c.gate == nil && !c.cfg.TryOut(r) {
		http.Error(w, elsewhere, http.StatusForbidden)
		return
	}
	switch name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, Path), "/"); name {
	case "login":
		c.only(w, r, c.login, http.MethodPost)
	case "logout":
		c.only(w, r, c.logout, http.MethodPost)
	default:
		if c.pages.isOpen(name) {
			c.only(w, r, func(w http.ResponseWriter, r *http.Request) { c.pages.serve(w, r, name) }, http.MethodGet, http.MethodHead)
			return
		}
		if c.gate != nil && !c.admit(w, r, name == "") {
			return
		}
		c.serve(w, r, name)
	}
}

// serve answers somebody who may see the console.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, name string) {
	switch name {
	case "stats":
		c.only(w, r, c.sendStats, http.MethodGet, http.MethodHead)
	case "counts", "clients", "handlers":
		c.only(w, r, c.cfg.Inside.ServeHTTP, http.MethodGet)
	case "info":
		c.only(w, r, c.sendInfo, http.MethodGet, http.MethodHead)
	case "logic":
		if !c.showsLogic(r) {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		c.cfg.Logic.ServeHTTP(w, r)
	case "token":
		if !c.mints(r) {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		c.only(w, r, c.makeToken, http.MethodPost)
	default:
		c.only(w, r, func(w http.ResponseWriter, r *http.Request) { c.pages.serve(w, r, name) }, http.MethodGet, http.MethodHead)
	}
}

// only calls next for some methods and answers 405 to the others.
func (c *Console) only(w http.ResponseWriter, r *http.Request, next http.HandlerFunc, methods ...string) {
	for _, m := range methods {
		if r.Method == m {
			next(w, r)
			return
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

// elsewhere is what those are told whom an open console does not let in.
const elsewhere = "Without ADMIN_TOKEN this page is for browsers on the server's own machine, " +
	"at http://localhost:<port>" + Path + " and not through a proxy. Set ADMIN_TOKEN to sign in from here."

// mints reports whether whoever sent a request gets tokens for the asking.
func (c *Console) mints(r *http.Request) bool { return c.cfg.Mint != nil && c.cfg.TryOut(r) }

// showsLogic reports whether whoever sent a request sees what goes to the application's backend.
func (c *Console) showsLogic(r *http.Request) bool { return c.cfg.Logic != nil && c.cfg.TryOut(r) }

// sendInfo tells the page what it may offer.
func (c *Console) sendInfo(w http.ResponseWriter, r *http.Request) {
	sendJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		Gated   bool   `json:"gated"`
		Tokens  bool   `json:"tokens"`
		Logic   bool   `json:"logic"`
	}{c.cfg.Version, c.gate != nil, c.mints(r), c.showsLogic(r)})
}

// sendStats answers the counters of now.
func (c *Console) sendStats(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, http.StatusOK, c.reading.now())
}

// makeToken makes a token for trying out: {token}, or {error} in words.
func (c *Console) makeToken(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r)
	if err != nil {
		sendJSON(w, http.StatusBadRequest, problem{err.Error()})
		return
	}
	want := TokenRequest{UserID: form.Get("userId"), Name: form.Get("name"), TTL: time.Hour}
	for room := range strings.SplitSeq(form.Get("rooms"), ",") {
		if room = strings.TrimSpace(room); room != "" {
			want.Rooms = append(want.Rooms, room)
		}
	}
	if ttl := form.Get("ttl"); ttl != "" {
		if want.TTL, err = time.ParseDuration(ttl); err != nil || want.TTL < time.Second || want.TTL > maxTokenTTL {
			sendJSON(w, http.StatusBadRequest, problem{"ttl is a duration from 1s to 24h, such as 10m"})
			return
		}
	}
	token, err := c.cfg.Mint(want)
	if err != nil {
		sendJSON(w, http.StatusBadRequest, problem{err.Error()})
		return
	}
	sendJSON(w, http.StatusOK, struct {
		Token string `json:"token"`
	}{token})
}

type problem struct {
	Error string `json:"error"`
}

var (
	errFormType = errors.New("send a form: Content-Type: application/x-www-form-urlencoded")
	errFormBody = errors.New("the form is larger than 8 KiB or cannot be read")
)

// readForm reads a posted form, and nothing of the query: what is secret has no place there.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errFormType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFormBytes))
	if err != nil {
		return nil, errFormBody
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errFormBody
	}
	return form, nil
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // never: the types above have nothing that cannot be written
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has gone does not read it
}
