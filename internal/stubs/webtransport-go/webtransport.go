// Package webtransport stands in for WebTransport, which signalbox does not serve; see the README beside it.
package webtransport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go/http3"
)

var errNoWebTransport = errors.New("webtransport: this program is built without WebTransport")

// SessionErrorCode says why a session ended.
type SessionErrorCode uint32

// Server is named by the Socket.IO library.
type Server struct {
	H3          http3.Server
	CheckOrigin func(*http.Request) bool
}

// Upgrade always fails.
func (*Server) Upgrade(http.ResponseWriter, *http.Request) (*Session, error) {
	return nil, errNoWebTransport
}

// ListenAndServeTLS always fails.
func (*Server) ListenAndServeTLS(certFile, keyFile string) error { return errNoWebTransport }

// Close does nothing: nothing was opened.
func (*Server) Close() error { return nil }

// Session is never made.
type Session struct{}

// AcceptStream always fails.
func (*Session) AcceptStream(context.Context) (Stream, error) { return nil, errNoWebTransport }

// CloseWithError does nothing.
func (*Session) CloseWithError(SessionErrorCode, string) error { return nil }

// LocalAddr is unknown.
func (*Session) LocalAddr() net.Addr { return nil }

// RemoteAddr is unknown.
func (*Session) RemoteAddr() net.Addr { return nil }

// Stream is never made.
type Stream interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}
