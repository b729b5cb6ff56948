package engine

import (
	"context"
	"log/slog"
	"runtime/debug"
)

// The errors that end a session: a websocket gets a close frame without a code, as from the reference implementation.
var (
	errPacket   error = &frameError{closeNoCode, ReasonParseError, "invalid packet"}
	errReceiver error = &frameError{closeNoCode, ReasonForcedClose, "packet was refused"}
	errWrongWay error = &frameError{closeNoCode, ReasonTransportError, "ping from a client"}
	errClosing  error = &frameError{closeNoCode, ReasonTransportClose, "closed by the client"}
)

// message takes one websocket message. It implements sink.
func (s *Session) message(op opcode, data []byte) error {
	if op == opBinary {
		return refused(s.receiver.Binary(data))
	}
	return s.packet(data)
}

// packet takes one text packet, from either transport.
func (s *Session) packet(data []byte) error {
	switch judge(data) {
	case isMessage:
		return refused(s.receiver.Text(data[1:]))
	case isBinary:
		content, err := decodeBinary(nil, data[1:])
		if err != nil {
			return errPacket
		}
		return refused(s.receiver.Binary(content))
	case isPong:
		s.gotPong()
		return nil
	case isClose:
		return errClosing
	case isWrongWay:
		return errWrongWay
	case isIgnored:
		return nil
	default:
		return errPacket
	}
}

// refused turns a receiver's error into ours: what it says is the receiver's affair.
func refused(err error) error {
	if err != nil {
		return errReceiver
	}
	return nil
}

// wsPong implements sink. Sessions are pinged by packets, not by websocket frames.
func (s *Session) wsPong() {}

// closed implements sink.
func (s *Session) closed(reason Reason) {
	s.mu.Lock()
	told := s.told
	s.told = true
	s.mu.Unlock()
	if !told {
		s.tellClosed(s.receiver, reason)
	}
}

// closer is the part of a [Receiver] that is told the end.
type closer interface{ Closed(reason Reason) }

// tellClosed calls a receiver's Closed. A panic in it ends nothing more.
func (l *link) tellClosed(r closer, reason Reason) {
	defer func() {
		if p := recover(); p != nil {
			l.srv.cfg.Log.Error("panic while closing", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if log := l.srv.cfg.Log; reason.cut() && log.Enabled(context.Background(), slog.LevelDebug) {
		l.logCut(log, r, reason)
	}
	r.Closed(reason)
}

// logCut says who was cut off and why: somebody may ask.
func (l *link) logCut(log *slog.Logger, r closer, reason Reason) {
	attrs := make([]slog.Attr, 0, 5)
	if s, ok := l.owner.(*Session); ok {
		attrs = append(attrs, slog.String("sid", s.id))
	}
	if named, ok := r.(Named); ok {
		id, user := named.Names()
		attrs = append(attrs, slog.String("client", id), slog.String("user", user))
	}
	attrs = append(attrs, slog.String("addr", l.owner.RemoteAddr()), slog.String("reason", reason.String()))
	log.LogAttrs(context.Background(), slog.LevelDebug, "client was cut", attrs...)
}
