package engine

import (
	"errors"
	"net/http"
)

// Place is room for one connection. It is taken before anything else is done for a stranger, and used once: by
// [Place.WebSocket], [Place.Stream] or [Place.Cancel].
type Place struct {
	srv  *Server
	w    http.ResponseWriter
	r    *http.Request
	addr string
	used bool
}

// Reserve decides whether a request may open a connection: by its Origin, by its handshake where it asks for a websocket, and
// by the limits on connections. One that may not is answered, and the error wraps [ErrRefused].
func (s *Server) Reserve(w http.ResponseWriter, r *http.Request) (*Place, error) {
	p := &Place{srv: s, w: w, r: r, addr: s.cfg.ClientIP(r)}
	refused := s.checkOrigin(r)
	if refused == nil && IsUpgrade(r) {
		refused = checkUpgrade(r)
	}
	if refused == nil {
		refused = s.reserve(p.addr, 1)
	}
	if refused != nil {
		s.refuse(w, refused)
		return nil, refused
	}
	return p, nil
}

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (p *Place) RemoteAddr() string { return p.addr }

// Cancel gives a place back that is not needed after all. Once the place is used it does nothing.
func (p *Place) Cancel() {
	if p.take() {
		p.srv.cancel(p.addr, 1)
	}
}

// take reports whether the place has not been used yet.
func (p *Place) take() bool {
	free := !p.used
	p.used = true
	return free
}

// open takes the connection over and gives it to l, in the place that was reserved for it.
func (p *Place) open(l *link, takeOver func() (taken, error), maxPayload int64) (*reader, error) {
	if !p.take() {
		panic("engine: a place is used twice")
	}
	t, err := takeOver()
	if err != nil {
		p.srv.cancel(p.addr, 1)
		return nil, errors.Join(ErrRefused, err)
	}
	reader := newReader(t.nc, maxPayload, t.early)
	if err := p.srv.enroll(l, p.addr, t); err != nil {
		return nil, errors.Join(ErrRefused, err)
	}
	return reader, nil
}

// checkOrigin refuses pages that may not connect.
func (s *Server) checkOrigin(r *http.Request) *refusal {
	if s.cfg.CheckOrigin != nil && !s.cfg.CheckOrigin(r) {
		return refuseOrigin
	}
	return nil
}
