package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"

	"signalbox/server/engine"
)

const (
	// clientVersion is the version of npm's socket.io-client that the build takes in and that redirects name. The
	// package.json of this project names the same.
	clientVersion = "4.8.4"
	// clientCDN is the Socket.IO project's own.
	clientCDN = "https://cdn.socket.io/"
	// brotliQuality trades time for size: about 20 ms and 2 % more bytes than the best, which takes half a second.
	brotliQuality = 9
)

// clientNames are the files a browser may ask for, as Node's server serves them.
var clientNames = []string{
	"socket.io.js", "socket.io.js.map",
	"socket.io.min.js", "socket.io.min.js.map",
	"socket.io.esm.min.js", "socket.io.esm.min.js.map",
	"socket.io.msgpack.min.js", "socket.io.msgpack.min.js.map",
}

// builtIn holds the client where `make build` put it before compiling; without that, the folder is empty.
//
//go:embed all:client
var builtIn embed.FS

// clientFiles is the browser client, served from memory. A file that is not there is redirected to the CDN.
type clientFiles struct {
	files map[string]*clientFile // static after construction
}

type clientFile struct {
	contentType string
	hash        string
	plain       []byte
	// compress fills the following, the first time somebody accepts it.
	compress     sync.Once
	gzip, brotli []byte
}

// isClientFile reports whether a path below /socket.io/ is one of the client's.
func isClientFile(name string) bool { return slices.Contains(clientNames, name) }

// findClient loads the client from the configured folder; without one, from the binary, or from the node_modules of dir or
// of dir/test. Finding none is no fault.
func findClient(configured, dir string) (*clientFiles, error) {
	if configured != "" {
		found, err := loadClient(os.DirFS(configured))
		if err != nil {
			return nil, fmt.Errorf("CLIENT_DIST=%s: %w; write the path of node_modules/socket.io-client/dist", configured, err)
		}
		if len(found.files) == 0 {
			return nil, fmt.Errorf("CLIENT_DIST=%s: there is no %s in it; write the path of node_modules/socket.io-client/dist", configured, clientNames[0])
		}
		return found, nil
	}
	embedded, err := fs.Sub(builtIn, "client")
	if err != nil {
		return nil, fmt.Errorf("built-in client: %w", err)
	}
	dist := filepath.Join("node_modules", "socket.io-client", "dist")
	for _, source := range []fs.FS{embedded, os.DirFS(filepath.Join(dir, dist)), os.DirFS(filepath.Join(dir, "test", dist))} {
		found, err := loadClient(source)
		if err != nil {
			return nil, fmt.Errorf("browser client: %w", err)
		}
		if len(found.files) > 0 {
			return found, nil
		}
	}
	return &clientFiles{}, nil
}

// loadClient reads those of the client's files that are there.
func loadClient(source fs.FS) (*clientFiles, error) {
	found := &clientFiles{files: make(map[string]*clientFile)}
	for _, name := range clientNames {
		text, err := fs.ReadFile(source, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		f := &clientFile{
			contentType: "application/javascript; charset=utf-8",
			hash:        base64.RawURLEncoding.EncodeToString(sum[:12]),
			plain:       text,
		}
		if strings.HasSuffix(name, ".map") {
			f.contentType = "application/json; charset=utf-8"
		}
		found.files[name] = f
	}
	return found, nil
}

// serve answers GET and HEAD for one of clientNames.
func (c *clientFiles) serve(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	f := c.files[name]
	if f == nil {
		// A redirect cannot carry the checksum of what it leads to; docs/deploy.md has a tag with one.
		http.Redirect(w, r, clientCDN+clientVersion+"/"+name, http.StatusFound)
		return
	}
	body, coding := f.encoded(r.Header.Values("Accept-Encoding"))
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("ETag", f.etag(coding))
	if f.matches(r.Header.Values("If-None-Match")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if coding != "" {
		h.Set("Content-Encoding", coding)
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // fails only where the reader has gone
	}
}

// encoded returns the file in the best coding the request accepts, and its name; "" is the file as it is.
func (f *clientFile) encoded(accept []string) (body []byte, coding string) {
	br, gz := engine.CodingWeight(accept, "br") > 0, engine.CodingWeight(accept, "gzip") > 0
	if !br && !gz {
		return f.plain, ""
	}
	f.compress.Do(func() {
		f.brotli = compressed(f.plain, func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, brotliQuality) })
		f.gzip = compressed(f.plain, func(w io.Writer) io.WriteCloser {
			z, _ := gzip.NewWriterLevel(w, gzip.BestCompression) // the level is a constant it knows
			return z
		})
	})
	if br {
		return f.brotli, "br"
	}
	return f.gzip, "gzip"
}

// compressed runs text through a compressor. A bytes.Buffer takes every write, so nothing can fail.
func compressed(text []byte, compressor func(io.Writer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := compressor(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return bytes.Clone(b.Bytes())
}

// etag names one coding of the file: strong tags differ where bytes do.
//
// Rule: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3
func (f *clientFile) etag(coding string) string {
	if coding == "" {
		return `"` + f.hash + `"`
	}
	return `"` + f.hash + "-" + coding + `"`
}

// matches reports whether the client has the file already, in whatever coding: If-None-Match compares weakly, and the
// content is the same in each.
//
// Rule: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
func (f *clientFile) matches(ifNoneMatch []string) bool {
	for _, line := range ifNoneMatch {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			switch tag {
			case "*", f.etag(""), f.etag("gzip"), f.etag("br"):
				return true
			}
		}
	}
	return false
}
