package socketio

import (
	"context"
	"log/slog"

	"signalbox/server/app"
	"signalbox/server/rawjson"
	"signalbox/server/recovery"
)

// restore lets a client that was cut come back in a namespace, and reports whether it did. It returns the payload of its
// CONNECT without the secret.
func (c *conn) restore(namespace string, payload []byte) (open []byte, back bool) {
	if payload == nil {
		return nil, false
	}
	f, ok := rawjson.Fields(payload, "pid", "offset")
	if !ok || f[0] == nil && f[1] == nil {
		return payload, false
	}
	payload = withoutSecret(payload)
	pid, ok := rawjson.Text(f[0])
	if !ok {
		return payload, false
	}
	offset, _ := rawjson.Text(f[1]) // what is no text is none
	p, missed, err := c.takeOver(namespace, pid, offset, payload)
	if err == recovery.ErrUnknown && c.server.recoveries.mover != nil && len(pid) == recovery.PIDLength {
		p, missed, err = c.fetch(namespace, pid, offset, payload)
	}
	c.server.recoveries.store.Count(err)
	if err != nil {
		c.server.log.LogAttrs(context.Background(), slog.LevelDebug, "session not recovered",
			slog.String("namespace", namespace), slog.String("reason", err.Error()))
		return payload, false
	}
	c.server.log.LogAttrs(context.Background(), slog.LevelDebug, "session recovered",
		slog.String("namespace", namespace), slog.String("sid", p.ID()), slog.Int("missed", missed))
	return payload, true
}

// takeOver gives a client's peer this connection, and ends the one it had, if that is there still. The error is why that cannot
// be: then the session has ended, but where the token is all that is wrong.
func (c *conn) takeOver(namespace, pid, offset string, payload []byte) (p *peer, missed int, err error) {
	p, _ = c.server.recoveries.store.Find(pid).(*peer)
	if p == nil || p.name != namespace {
		return nil, 0, recovery.ErrUnknown
	}
	s := p.stay
	s.handling.Lock()
	defer s.handling.Unlock()
	s.reader = c
	if !p.accepts(c.handshake(payload)) {
		return nil, 0, recovery.ErrToken // the one that has another may still come
	}
	old := p.conn()
	if p.library != nil {
		err = s.askLocked(p, c, offset, payload)
	} else {
		missed, err = s.moveLocked(p, c, offset)
	}
	if err == recovery.ErrUnknown {
		return nil, 0, err
	}
	if err != nil {
		p.detach("transport close") // its client will not come back to it
	}
	old.remove(p)
	old.end()
	if err == nil {
		p.landed()
	}
	return p, missed, err
}

// landed tells the handler's session that its client is back.
func (p *peer) landed() {
	defer func() {
		if fault := recover(); fault != nil {
			p.panicked(fault)
		}
	}()
	p.mu.Lock()
	session := p.session
	p.mu.Unlock()
	if l, ok := session.(app.Lander); ok {
		l.Landed()
	}
}

// accepts asks the handler's session whether it goes on with its client.
func (p *peer) accepts(hs app.Handshake) (ok bool) {
	p.mu.Lock()
	session := p.session
	p.mu.Unlock()
	r, is := session.(app.Returner)
	if !is {
		return true
	}
	defer func() {
		if fault := recover(); fault != nil {
			p.panicked(fault)
			ok = false
		}
	}()
	return r.Return(hs) == nil
}

// moveLocked gives a peer the connection c. handling is held.
func (s *stay) moveLocked(p *peer, c *conn, offset string) (missed int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passage := s.passage.Load(); p.status() != connected || passage != nil && passage.Begun() {
		return 0, recovery.ErrUnknown
	}
	messages, err := s.session.Missed(offset, c.server.conns.OutboxBytes())
	if err != nil {
		return 0, err
	}
	if !s.session.Back() {
		return 0, recovery.ErrUnknown // its time is over at this moment
	}
	s.away = false
	s.passage.Store(nil)
	p.link.Store(c)
	c.mu.Lock()
	c.peers = append(c.peers, p)
	c.mu.Unlock()
	c.inNamespace()
	for _, m := range messages {
		_ = c.reply(m) // an ended connection is told through Closed
	}
	_ = c.send(connectPacket(p.name, p.ID(), s.pid()))
	return len(messages), nil
}

// askLocked gives a peer of the library the connection c, and asks the program whether it goes on with it. handling is held.
func (s *stay) askLocked(p *peer, c *conn, offset string, payload []byte) error {
	p.mu.Lock()
	if p.status() != connected || s.returning {
		p.mu.Unlock()
		return recovery.ErrUnknown
	}
	if _, err := s.session.Missed(offset, c.server.conns.OutboxBytes()); err != nil {
		p.mu.Unlock()
		return err
	}
	if !s.session.Back() {
		p.mu.Unlock()
		return recovery.ErrUnknown // its time is over at this moment
	}
	open := !s.away
	s.away, s.returning, s.offset = true, true, offset
	p.link.Store(c)
	c.mu.Lock()
	c.peers = append(c.peers, p)
	c.mu.Unlock()
	p.mu.Unlock()
	if open {
		p.library.Away("transport close")
	}
	if !p.library.Return(payload) {
		c.remove(p)
		return recovery.ErrPosition // it ends: nobody knows what the program makes of it
	}
	return nil
}

// readmit lets in a client of the library that is back.
func (s *stay) readmit(p *peer) {
	p.mu.Lock()
	if !s.returning || p.status() != connected {
		p.mu.Unlock()
		return
	}
	c := p.conn()
	messages, err := s.session.Missed(s.offset, c.server.conns.OutboxBytes())
	s.returning = false
	if err != nil { // more has come meanwhile than is kept
		p.mu.Unlock()
		p.Cut()
		return
	}
	s.away = false
	for _, m := range messages {
		_ = c.send(m) // an ended connection is told through Closed
	}
	_ = c.send(connectPacket(p.name, p.ID(), s.pid()))
	p.mu.Unlock()
	c.inNamespace()
	if c.closing.Load() { // it ended meanwhile, and did not see that the client is back
		p.goAway(c, "transport close")
	}
}

// withoutSecret returns the payload of a CONNECT without what recovery reads there.
func withoutSecret(payload []byte) []byte {
	out := make([]byte, 1, len(payload))
	out[0] = '{'
	members := rawjson.Checked(payload)
	for key, value, ok := members.Next(); ok; key, value, ok = members.Next() {
		if string(key) == "pid" || string(key) == "offset" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = rawjson.AppendQuoted(out, key)
		out = append(out, ':')
		out = append(out, value...)
	}
	return append(out, '}')
}
