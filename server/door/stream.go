package door

import (
	"net/http"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// keepAlive is a comment: clients skip it, and proxies see that the connection lives.
var keepAlive = wire.Raw([]byte(": keep-alive\n\n"))

// Stream returns a door for streams of Server-Sent Events that h serves. The handler is not asked about who may not connect,
// see [conn.Server.Reserve].
//
// Rule: [WHATWG HTML, server-sent events].
//
// [WHATWG HTML, server-sent events]: https://html.spec.whatwg.org/multipage/server-sent-events.html
func (s *Server) Stream(h app.StreamHandler) http.Handler { return s.stream(h, false) }

// LastingStream is Stream for streams that go on where they broke, with [Config.Recovery]. A session with a method User says whose it is.
func (s *Server) LastingStream(h app.StreamHandler) http.Handler { return s.stream(h, true) }

func (s *Server) stream(h app.StreamHandler, lasting bool) http.Handler {
	options := conn.StreamOptions{
		KeepAlive:         keepAlive,
		KeepAliveInterval: s.cfg.KeepAlive,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, err := s.cfg.Conns.Reserve(w, r, 1)
		if err != nil { // it has been answered
			return
		}
		defer place.Cancel()
		p := newStreamPeer(s)
		visit := s.visit(r, place.RemoteAddr())
		if lasting {
			p.mayGoOn(visit, r.URL.Path)
		}
		if err := p.connect(h, visit); err != nil {
			if lasting {
				p.stay.session.Close()
			}
			Refuse(w, err)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-cache")
		header.Set("X-Accel-Buffering", "no") // nginx buffers what a server behind it sends, unless told not to
		st, err := place.Stream(options, streamReceiver{p})
		if err != nil { // it has been answered
			p.end(app.ReasonNotOpened)
			return
		}
		p.open(st)
	})
}

// streamPeer is one client of a stream: a [app.StreamPeer] for its handler and a [hub.Sink] for the hub.
type streamPeer struct {
	client
	stay    *streamStay       // nil: it does not go on
	session app.StreamSession // set before the stream is opened
	st      *conn.Stream      // set before the client's state says that it is open
}

var (
	_ app.StreamPeer = (*streamPeer)(nil)
	_ hub.Sink       = (*streamPeer)(nil)
)

func newStreamPeer(s *Server) *streamPeer {
	p := new(streamPeer)
	p.init(s, p)
	return p
}

// connect asks the handler.
func (p *streamPeer) connect(h app.StreamHandler, v app.Visit) error {
	return p.admit(func() (err error) {
		p.session, err = h.Connect(p, v)
		return err
	})
}

// open takes the stream, and sends what was held back for it.
func (p *streamPeer) open(st *conn.Stream) {
	p.st = st
	if p.stay != nil {
		p.stay.replay(p, st)
		p.server.absent.opened(p)
	}
	p.client.open(st)
	if p.stay != nil && p.Closed() { // it ended meanwhile
		p.server.absent.ended(p)
	}
}

// Deliver implements [hub.Sink].
func (p *streamPeer) Deliver(m *hub.Message) bool {
	if p.stay != nil && !m.Volatile {
		return p.stay.deliver(p, m)
	}
	encoded := m.Encoded(hub.FormSSE, hub.EncodeSSE)
	return encoded != nil && p.deliver(encoded, m.Volatile)
}

// Send implements [app.StreamPeer].
func (p *streamPeer) Send(records []byte) bool {
	return p.deliver(wire.Raw(append([]byte(nil), records...)), false)
}

// Close implements [app.StreamPeer].
func (p *streamPeer) Close() {
	away := p.Away()
	p.leave(func() { p.st.Close(conn.ReasonForcedClose) })
	if away {
		p.end(conn.ReasonForcedClose.String())
	}
}

// streamReceiver is a peer as its stream sees it.
type streamReceiver struct{ *streamPeer }

var _ conn.Named = streamReceiver{}

// Names implements [conn.Named].
func (r streamReceiver) Names() (id, user string) { return r.id, app.UserOf(r.session, r.member) }

// Closed tells the handler once that the client has gone.
func (r streamReceiver) Closed(reason conn.Reason) {
	if r.stay == nil || !r.stay.goAway(r.streamPeer, reason) {
		r.end(reason.String())
	}
}
