package engine

import (
	"hash/maphash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"signalbox/server/conn"
)

// Request is what is kept of the request that opened a session. Its header is shared by sessions and must not be
// changed.
type Request struct {
	// Header holds the request's headers, Host included, without those of the websocket handshake.
	Header http.Header
	// URL is path and query as they were sent.
	URL string
	// Secure tells whether the request came over TLS.
	Secure bool
	// Time is when it came.
	Time time.Time
}

// handshakeHeaders are the headers that belong to one websocket handshake. Everything else about two clients of the
// same program is often the same, so without these they can share a copy.
var handshakeHeaders = map[string]bool{
	"Sec-Websocket-Key":        true,
	"Sec-Websocket-Version":    true,
	"Sec-Websocket-Extensions": true,
	"Sec-Websocket-Protocol":   true,
}

// Query returns the parsed query. It is parsed at each call: few ask, and kept as it was sent it takes the least
// memory.
func (r *Request) Query() url.Values {
	_, raw, _ := strings.Cut(r.URL, "?")
	query, _ := url.ParseQuery(raw) // what can be read, as [url.URL.Query] does
	return query
}

// isVersion3 reports whether a query says that its client speaks Engine.IO 3.
//
// Rule: as in the reference implementation, each does that does not say EIO=4.
func isVersion3(query url.Values) bool { return query.Get("EIO") != "4" }

// mayBeFrom reports whether a request for a session of version 3 may be its client's. Others know the session's id, which is that
// of a socket; so the request has to come from its address.
func (s *Session) mayBeFrom(r *http.Request) bool {
	return s.srv.conns.Config().ClientIP(r) == s.RemoteAddr()
}

const (
	// maxRequestBytes bounds headers and URL of a handshake, which are kept as long as the session lives. It is what
	// the reference implementation's HTTP server allows.
	maxRequestBytes = 16 * kiB
	// maxRequestFields bounds the headers of a handshake, and the parameters of its query. A header takes about 100
	// bytes beside its text.
	maxRequestFields = 100
)

// checkSize refuses a handshake of which too much would be kept.
func checkSize(r *http.Request) *conn.Refusal {
	bytes, fields := len(r.RequestURI)+len(r.Host), 0
	for name, values := range r.Header {
		fields += len(values)
		for _, v := range values {
			bytes += len(name) + len(v)
		}
	}
	if bytes > maxRequestBytes || max(fields, strings.Count(r.URL.RawQuery, "&")+1) > maxRequestFields {
		return refuseHeaders
	}
	return nil
}

// newRequest returns the copy of r that its session keeps.
func (s *Server) newRequest(r *http.Request) *Request {
	header := make(http.Header, len(r.Header)+1)
	for name, values := range r.Header {
		if !handshakeHeaders[name] {
			header[name] = values
		}
	}
	header["Host"] = []string{r.Host}
	return &Request{
		Header: s.requests.intern(header),
		URL:    strings.Clone(r.RequestURI),
		Secure: r.TLS != nil,
		Time:   time.Now(),
	}
}

const (
	// maxInterned bounds what the interner holds by itself. What sessions hold is theirs.
	maxInterned = 512
	// maxInternBytes is the size from which a copy is not worth sharing.
	maxInternBytes = 4 * kiB
)

// interner finds equal headers of different clients, so that they are kept once.
type interner struct {
	seed maphash.Seed

	mu   sync.Mutex
	seen map[uint64]map[string][]string // guarded by mu
}

func newInterner() *interner {
	return &interner{seed: maphash.MakeSeed(), seen: make(map[uint64]map[string][]string)}
}

// intern returns a copy of m, which may be one that was made before. It must not be changed.
func (in *interner) intern(m map[string][]string) map[string][]string {
	hash, size := in.sum(m)
	if size > maxInternBytes {
		return deepClone(m)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if old, ok := in.seen[hash]; ok && maps.EqualFunc(old, m, slices.Equal[[]string]) {
		return old
	}
	if len(in.seen) >= maxInterned {
		clear(in.seen) // sessions keep theirs; what is in use will be found again
	}
	kept := deepClone(m)
	in.seen[hash] = kept
	return kept
}

// sum hashes m, in whatever order its keys come, and tells how many bytes of text it holds.
func (in *interner) sum(m map[string][]string) (hash uint64, size int) {
	var h maphash.Hash
	for key, values := range m {
		h.SetSeed(in.seed)
		h.WriteString(key)
		size += len(key)
		for _, v := range values {
			h.WriteByte(0)
			h.WriteString(v)
			size += len(v)
		}
		hash += h.Sum64()
	}
	return hash, size
}

// deepClone copies m with its strings: those of a request may be parts of a buffer much larger than they are.
func deepClone(m map[string][]string) map[string][]string {
	clone := make(map[string][]string, len(m))
	for key, values := range m {
		copied := make([]string, len(values))
		for i, v := range values {
			copied[i] = strings.Clone(v)
		}
		clone[strings.Clone(key)] = copied
	}
	return clone
}
