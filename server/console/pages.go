package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page
var embedded embed.FS

const (
	consolePage = "console.html"
	loginPage   = "login.html"
)

// What stands in the login page where a sentence about the last attempt changes it. The page is no template of html/template:
// that package calls methods by names that are known at run time only, so the linker has to keep every method of every type,
// and the binary would be a third larger.
const (
	noProblem = "<!-- problem -->"
	valid     = ` aria-invalid="false"`
)

// contentTypes are those of the page's files. The system's own table is not asked: it differs from machine to machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// openFiles are what the login form needs, so everybody gets them.
var openFiles = map[string]bool{"console.css": true, "theme.js": true, "icon.svg": true}

// pages are the files of the page, in memory.
type pages struct {
	// Static after construction.
	files map[string]file
	login string // with noProblem and valid
}

type file struct {
	contentType string
	etag        string
	body        []byte
}

// loadPages reads the embedded files. It panics where one is missing or broken, which the build has let through.
func loadPages() pages {
	p := pages{files: make(map[string]file)}
	entries, err := fs.ReadDir(embedded, "page")
	if err != nil {
		panic(fmt.Sprintf("console: %v", err))
	}
	for _, e := range entries {
		body, err := fs.ReadFile(embedded, path.Join("page", e.Name()))
		if err != nil {
			panic(fmt.Sprintf("console: %v", err))
		}
		sum := sha256.Sum256(body)
		p.files[e.Name()] = file{
			contentType: contentTypes[path.Ext(e.Name())],
			etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			body:        body,
		}
	}
	p.login = string(p.files[loginPage].body)
	if strings.Count(p.login, noProblem) != 1 || strings.Count(p.login, valid) != 1 {
		panic("console: " + loginPage + " has no place for what was wrong")
	}
	delete(p.files, loginPage) // it is not served as it is
	return p
}

// policy is the Content-Security-Policy: scripts and styles are files of this server, so what a message holds is never
// run, and no other page frames this one.
//
// Rule: https://www.w3.org/TR/CSP3/. Some browsers do not take 'self' for websockets, hence ws: and wss:.
const policy = "default-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; " +
	"form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// protect sets what every answer of the console has, and takes back what CORS allows the rest of the server.
func (p *pages) protect(h http.Header) {
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} {
		h.Del(name)
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// isOpen reports whether a file needs no sign-in.
func (p *pages) isOpen(name string) bool { return openFiles[name] }

// serve answers one of the files; "" is the page itself.
func (p *pages) serve(w http.ResponseWriter, r *http.Request, name string) {
	if name == "" {
		name = consolePage
	}
	f, ok := p.files[name]
	if !ok {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "private, no-cache")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.body))
}

// sendLogin answers the login form, with a sentence about the last attempt.
func (p *pages) sendLogin(w http.ResponseWriter, r *http.Request, status int, message string) {
	body := p.login
	if message != "" {
		body = strings.NewReplacer(
			noProblem, `<p class="problem" role="alert" id="problem">`+html.EscapeString(message)+"</p>",
			valid, ` aria-invalid="true" aria-describedby="problem"`,
		).Replace(body)
	}
	w.Header().Set("Content-Type", contentTypes[".html"])
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) // who has gone does not read it
	}
}
