package conn

import (
	"errors"
	"net/http"

	"signalbox/server/wire"
)

// Place is room for one connection. It is taken before anything else is done for a stranger, and used once: by one of
// its other methods, or by [Place.Cancel].
type Place struct {
	srv         *Server
	w           http.ResponseWriter
	r           *http.Request
	addr        string
	descriptors int
	used        bool
}

// Reserve decides whether a request may open a connection that takes so many file descriptors at the same time: by its
// Origin, by its handshake where it asks for a websocket, and by the limits on connections. One that may not is
// answered, and the error wraps [ErrRefused].
func (s *Server) Reserve(w http.ResponseWriter, r *http.Request, descriptors int) (*Place, error) {
	p := &Place{srv: s, w: w, r: r, addr: s.cfg.ClientIP(r), descriptors: descriptors}
	refused := s.CheckOrigin(r)
	if refused == nil && IsUpgrade(r) {
		refused = CheckUpgrade(r)
	}
	if refused == nil {
		refused = s.reserve(p.addr, descriptors)
	}
	if refused != nil {
		s.Refuse(w, refused)
		return nil, refused
	}
	return p, nil
}

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (p *Place) RemoteAddr() string { return p.addr }

// Cancel gives a place back that is not needed after all. Once the place is used it does nothing.
func (p *Place) Cancel() {
	if p.take() {
		p.srv.cancel(p.addr, p.descriptors)
	}
}

// take reports whether the place has not been used yet.
func (p *Place) take() bool {
	free := !p.used
	p.used = true
	return free
}

// Open answers a websocket handshake and makes c, which is o's, the connection. first, which may be nil, leaves with
// the response; more that is sent leaves behind it. What comes is for [Conn.Serve]. An error wraps [ErrRefused] and
// means that the request was answered with an error status, or that the client is gone.
func (p *Place) Open(c *Conn, o Owner, first *wire.Message, maxPayload int64) (*Reader, error) {
	var frame []byte
	if first != nil {
		frame = first.Parts()[0].Frame()
	}
	return p.open(c, o, maxPayload, func() (taken, error) { return p.srv.switchProtocols(p.w, p.r, frame) })
}

// OpenPolled makes c, which is o's, a connection whose client fetches what is queued, see [Conn.AwaitLocked]. The
// request is left to the caller, unless there is an error: then it was answered.
func (p *Place) OpenPolled(c *Conn, o Owner) error {
	p.mustTake()
	c.init(p.srv, o, p.addr, uint8(p.descriptors))
	if !p.srv.add(c) {
		p.srv.Refuse(p.w, refuseShutdown)
		return refuseShutdown
	}
	return nil
}

// open takes the connection over for c, registers it, so that what its client does next finds it, and sends the
// greeting. Until that has left it is c's only writer.
func (p *Place) open(c *Conn, o Owner, maxPayload int64, takeOver func() (taken, error)) (*Reader, error) {
	p.mustTake()
	t, err := takeOver()
	if err != nil {
		p.srv.cancel(p.addr, p.descriptors)
		return nil, errors.Join(ErrRefused, err)
	}
	c.mu.Lock() // its owner may know c already
	c.init(p.srv, o, p.addr, uint8(p.descriptors))
	c.attachLocked(t.nc, t.deflate)
	c.writing = true
	c.mu.Unlock()
	if !p.srv.add(c) {
		t.nc.Close()
		return nil, errors.Join(ErrRefused, refuseShutdown)
	}
	reader := newReader(t, maxPayload)
	if err := p.srv.greet(t); err != nil {
		p.srv.forget(c)
		return nil, errors.Join(ErrRefused, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wroteLocked(0)
	return reader, nil
}

func (p *Place) mustTake() {
	if !p.take() {
		panic("conn: a place is used twice")
	}
}

// CheckOrigin refuses pages that may not connect.
func (s *Server) CheckOrigin(r *http.Request) *Refusal {
	if s.cfg.CheckOrigin != nil && !s.cfg.CheckOrigin(r) {
		return refuseOrigin
	}
	return nil
}
