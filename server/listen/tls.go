package listen

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"signalbox/config"
)

// lookEvery is how often handshakes look whether the files of the certificate have changed.
const lookEvery = 2 * time.Second

// TLS is what TLS takes: its settings, and where certificates come from.
type TLS struct {
	Config *tls.Config

	files *certFiles        // nil: they come by ACME
	acme  *autocert.Manager // nil: they come from files
	names []string          // that acme gets certificates for
	log   *slog.Logger

	warned atomic.Int64 // when a warning said last that there is no certificate, in nanoseconds since 1970
}

// NewTLS returns what cfg says of TLS; nil: there is none. A certificate in files is read here.
func NewTLS(cfg config.Config, log *slog.Logger) (*TLS, error) {
	t := &TLS{log: log, names: cfg.TLSDomains, Config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}}
	switch {
	case cfg.TLSCertFile != "":
		t.files = &certFiles{cert: cfg.TLSCertFile, key: cfg.TLSKeyFile, log: log}
		if err := t.files.read(time.Now()); err != nil {
			return nil, err
		}
		t.Config.GetCertificate = t.files.get
	case len(cfg.TLSDomains) > 0:
		t.acme = &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(cfg.TLSDomains...), Cache: autocert.DirCache(cfg.TLSCache),
			Client: &acme.Client{DirectoryURL: cfg.TLSACMEURL, UserAgent: "signalbox"},
		}
		t.Config.GetCertificate = t.fetch
		t.Config.NextProtos = append(t.Config.NextProtos, acme.ALPNProto)
	default:
		return nil, nil
	}
	return t, nil
}

// warnEvery is how often it is said, at most, that there is no certificate.
const warnEvery = time.Minute

// fetch returns the certificate by ACME for a handshake. Why there is none for a name that is ours is for the operator.
func (t *TLS) fetch(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := t.acme.GetCertificate(hello)
	if err != nil && slices.Contains(t.names, strings.ToLower(hello.ServerName)) {
		now, last := time.Now().UnixNano(), t.warned.Load()
		if now-last > int64(warnEvery) && t.warned.CompareAndSwap(last, now) {
			t.log.Error("no certificate by ACME: clients of this name cannot connect", "name", hello.ServerName, "error", err)
		}
	}
	return pair, err
}

// Reload reads the certificate again. A pair that cannot be used changes nothing.
func (t *TLS) Reload() error {
	if t == nil || t.files == nil {
		return nil
	}
	t.files.mu.Lock()
	defer t.files.mu.Unlock()
	return t.files.read(time.Now())
}

// Redirect sends browsers from a port without TLS to the one at addr, and answers what an ACME authority asks there.
func (t *TLS) Redirect(addr net.Addr) http.Handler {
	port := ""
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.Port != 443 {
		port = ":" + strconv.Itoa(tcp.Port)
	}
	var next http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+port+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
	if t.acme != nil {
		next = t.acme.HTTPHandler(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i := strings.LastIndexByte(r.Host, ':'); i > strings.LastIndexByte(r.Host, ']') {
			r.Host = r.Host[:i] // neither TLS_DOMAINS nor where this goes has a port
		}
		next.ServeHTTP(w, r)
	})
}

// certFiles is a certificate in two files, which somebody may replace at any time.
type certFiles struct {
	// Static after construction.
	cert, key string
	log       *slog.Logger

	mu sync.Mutex
	// mu guards the following.
	pair   *tls.Certificate
	looked time.Time
	seen   [2]stamp
	failed [2]stamp // that could not be used, and was told of
}

// stamp tells a file from what it was before.
type stamp struct {
	changed time.Time
	size    int64
}

// get returns the certificate for a handshake. Where the files have changed it reads them; where they cannot be used, as
// between the writing of one and the other, the certificate stays that was good.
func (f *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.looked) < lookEvery {
		return f.pair, nil
	}
	f.looked = now
	if stamps, err := f.stamps(); err == nil && stamps == f.seen {
		return f.pair, nil
	} else if err := f.read(now); err != nil {
		if f.failed != stamps {
			f.log.Error("the certificate has changed and cannot be used: the one before stays", "error", err)
		}
		f.failed = stamps
	} else {
		f.log.Info("the certificate was read again", "until", f.pair.Leaf.NotAfter)
	}
	return f.pair, nil
}

func (f *certFiles) stamps() (s [2]stamp, err error) {
	for i, path := range []string{f.cert, f.key} {
		stat, err := os.Stat(path)
		if err != nil {
			return s, err
		}
		s[i] = stamp{stat.ModTime(), stat.Size()}
	}
	return s, nil
}

// read reads the files; f.mu is held, or nobody has f yet.
func (f *certFiles) read(now time.Time) error {
	stamps, err := f.stamps()
	if err != nil {
		return fmt.Errorf("TLS_CERT_FILE, TLS_KEY_FILE: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("TLS_CERT_FILE, TLS_KEY_FILE: %w", err)
	}
	if now.After(pair.Leaf.NotAfter) {
		f.log.Warn("the certificate has expired", "since", pair.Leaf.NotAfter)
	}
	f.pair, f.seen, f.looked = &pair, stamps, now
	return nil
}
