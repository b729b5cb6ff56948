package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/conn"
	"signalbox/server/engine"
)

const (
	// topic tells the other servers that this one is about to end.
	topic = "release"
	// releaseEvery is how often it does, until what they have for it is answered.
	releaseEvery = 50 * time.Millisecond
	// answerMargin is how much longer than a poll may take its answer is waited for.
	answerMargin = 10 * time.Second
)

// Nodes are the other servers.
type Nodes interface {
	// NodeOf returns the server that has given an id to a session, and its NODE_URL; "": it is not known, or gone.
	NodeOf(session string) (node, url string)
	// Knows reports whether a server is one of the cluster.
	Knows(node string) bool
	Tell(topic string, body []byte)
	OnTell(topic string, call func(body []byte))
}

// Options are what a [Forwarder] stands on. All are needed.
type Options struct {
	// ID is that of this server, as others know it.
	ID    string
	Nodes Nodes
	// Key returns the key that all servers share. Where it is not there any more, have, unless that is nil, is put
	// back.
	Key func(ctx context.Context, have []byte) ([]byte, error)
	// Path is that of Socket.IO on every server, and Serves tells all that this one has.
	Path   string
	Serves func(path string) bool
	// ClientIP tells a caller's address.
	ClientIP func(*http.Request) string
	// PollTime is how long a poll may take, and BodyTime the body of a post.
	PollTime, BodyTime time.Duration
	// Max is how many requests are passed on at a time.
	Max int
	Log *slog.Logger
}

// Stats is a reading of the counters. Totals count from the start.
type Stats struct {
	Open, Passed, Failed, Received, Forged uint64
}

// Forwarder passes requests on, and takes those that others have passed on. Its methods may be called from any
// goroutine.
type Forwarder struct {
	// Static after construction.
	o        Options
	conns    *conn.Server
	peers    peers
	upgrades *httputil.ReverseProxy
	keys     keys
	ctx      context.Context // ends the websockets that are still open
	cancel   context.CancelFunc

	number                           atomic.Uint64
	passed, failed, received, forged atomic.Uint64

	mu sync.Mutex
	// mu guards the following.
	windows map[string]*window // by server
	open    int                // what is passed on now
	kept    int                // of these, what began before this server was about to end
	ending  bool
}

var (
	refuseBusy    = &conn.Refusal{Status: http.StatusServiceUnavailable, Code: 4, Message: "Forbidden", Cause: "forward"}
	refuseForged  = &conn.Refusal{Status: http.StatusBadRequest, Code: 3, Message: "Bad request", Cause: "forward"}
	refuseSession = &conn.Refusal{Status: http.StatusBadRequest, Code: 1, Message: "Session ID unknown", Cause: "forward"}
)

var errEnded = errors.New("the other server has closed the websocket")

// New returns what passes requests on for the sessions of an engine, which others may ask to release some.
func New(o Options, e *engine.Server, conns *conn.Server) *Forwarder {
	f := &Forwarder{o: o, conns: conns, keys: keys{read: o.Key}, windows: make(map[string]*window)}
	f.peers.free = make(map[string][]*peerConn)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.upgrades = &httputil.ReverseProxy{
		ModifyResponse: endBoth,
		Rewrite:        func(*httputil.ProxyRequest) {},
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: dialTime}).DialContext,
			TLSHandshakeTimeout:    dialTime,
			ResponseHeaderTimeout:  answerMargin,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a connection is one stream's
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !f.lost(r, err) {
				f.conns.Refuse(w, refuseSession)
			}
		},
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	o.Nodes.OnTell(topic, func(from []byte) { e.Release(string(from)) })
	return f
}

// Serve passes a request on that is for a session of another server. Any other one is for next, those among them that
// other servers have passed on.
func (f *Forwarder) Serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch {
	case !f.o.Serves(r.URL.Path), r.URL.RawPath != "": // or escaped, which routes refuse
	case r.Header[header] != nil:
		t, ok := f.accept(r)
		if !ok {
			f.forged.Add(1)
			f.conns.Refuse(w, refuseForged)
			return
		}
		f.received.Add(1)
		r = engine.Passed(r, t.Hop)
		r.RemoteAddr = net.JoinHostPort(t.addr, "0")
		r.Header.Del("X-Forwarded-For")
	case r.Method == http.MethodGet || r.Method == http.MethodPost:
		if node, at := f.o.Nodes.NodeOf(sessionOf(r.URL.RawQuery)); at != "" && f.pass(w, r, node, at) {
			return
		}
	}
	next.ServeHTTP(w, r)
}

// sessionOf returns the session that a query names. One that is written in another way than clients do names none.
func sessionOf(query string) string {
	for part := range strings.SplitSeq(query, "&") {
		if id, ok := strings.CutPrefix(part, "sid="); ok {
			return id
		}
	}
	return ""
}

// pass passes a request on, and reports whether it was answered. Otherwise its session is one that nobody knows: what
// its client was sent may be lost, so it has to start over.
func (f *Forwarder) pass(w http.ResponseWriter, r *http.Request, node, at string) bool {
	k, _ := f.keys.get(r.Context(), keyAge)
	if k == nil {
		return false
	}
	stream := conn.IsUpgrade(r)
	brief, ok := f.begin(stream)
	if !ok {
		f.conns.Refuse(w, refuseBusy)
		return true
	}
	defer f.end(brief)
	f.passed.Add(1)
	target := f.o.Path + "?" + r.URL.RawQuery
	t := newTicket(engine.Hop{From: f.o.ID, Brief: brief}, f.number.Add(1), f.o.ClientIP(r))
	says := t.head + " " + t.signature(k, node, r, target) + " " + t.addr
	if !stream {
		return f.poll(w, r, at, target, says)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	out := r.WithContext(ctx)
	out.URL, out.RequestURI = &url.URL{Path: f.o.Path, RawQuery: r.URL.RawQuery}, ""
	out.URL.Scheme, out.URL.Host, _ = strings.Cut(at, "://")
	out.Close, out.Trailer = false, nil
	out.Header = maps.Clone(r.Header)
	out.Header[header] = []string{says}
	f.upgrades.ServeHTTP(w, out)
	return true
}

// hopHeaders are those that are for one connection only; pollHeaders what a session looks at, of all that browsers send.
var (
	hopHeaders  = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
	pollHeaders = []string{"Accept-Encoding", "Content-Type", "Origin"}
)

// poll passes on what is no websocket.
func (f *Forwarder) poll(w http.ResponseWriter, r *http.Request, at, target, says string) bool {
	out := request{head: make([]byte, 0, 1024)}
	out.head = append(append(append(append(out.head, r.Method...), ' '), target...), " HTTP/1.1\r\n"...)
	out.add("Host", r.Host)
	out.add(header, says)
	for _, name := range pollHeaders {
		for _, value := range r.Header[name] {
			out.add(name, value)
		}
	}
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.o.BodyTime)) // where there are deadlines
	}
	if err := out.end(r.Body, r.ContentLength); err != nil {
		return f.lost(r, err)
	}
	res, done, err := f.peers.do(r.Context(), at, &out, f.o.BodyTime+f.o.PollTime+answerMargin)
	if err != nil {
		return f.lost(r, err)
	}
	defer done()
	for _, name := range hopHeaders {
		delete(res.Header, name)
	}
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, res.Body); err != nil {
		f.lost(r, err)
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return true
}

// stream is what comes and goes over a websocket that is passed on.
type stream struct{ io.ReadWriteCloser }

// endBoth has a websocket end at both sides once it has at one: [httputil.ReverseProxy] would wait until both have, and a
// client that is gone never does.
func endBoth(res *http.Response) error {
	if body, ok := res.Body.(io.ReadWriteCloser); ok {
		res.Body = stream{body}
	}
	return nil
}

// Read implements [io.Reader]. It has an end of its own, which is an error to who copies.
func (s stream) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	if err == io.EOF {
		err = errEnded
	}
	return n, err
}

// lost notes that a request was not answered, and reports whether nobody waits for that.
func (f *Forwarder) lost(r *http.Request, err error) bool {
	if r.Context().Err() != nil {
		return true // the client is gone
	}
	f.failed.Add(1)
	f.o.Log.Debug("request was passed on and not answered", "error", err)
	return false
}

// begin counts what is passed on; false: there is no place for it.
func (f *Forwarder) begin(stream bool) (brief, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open >= f.o.Max || f.ending && stream {
		return false, false
	}
	f.open++
	if !f.ending {
		f.kept++
	}
	return f.ending, true
}

func (f *Forwarder) end(brief bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	if !brief {
		f.kept--
	}
}

// Shutdown ends what is passed on: others answer the polls that they have for this server, and close websockets behind
// what is queued. What is left when ctx is over is cut.
func (f *Forwarder) Shutdown(ctx context.Context) {
	defer f.peers.end()
	defer f.cancel()
	f.mu.Lock()
	f.ending = true
	f.mu.Unlock()
	again := time.NewTicker(releaseEvery)
	defer again.Stop()
	for kept := func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.kept }; kept() > 0 && ctx.Err() == nil; {
		f.o.Nodes.Tell(topic, []byte(f.o.ID))
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}

// Stats returns the counters as they are now.
func (f *Forwarder) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Stats{uint64(f.open), f.passed.Load(), f.failed.Load(), f.received.Load(), f.forged.Load()}
}
