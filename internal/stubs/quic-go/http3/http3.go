// Package http3 stands in for HTTP/3, which signalbox does not serve; see the README beside it.
package http3

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/quic-go/quic-go"
)

var errNoHTTP3 = errors.New("http3: this program is built without HTTP/3")

// Server is named by the Socket.IO library.
type Server struct {
	Addr       string
	Handler    http.Handler
	TLSConfig  *tls.Config
	QUICConfig *quic.Config
}

// Serve always fails.
func (*Server) Serve(net.PacketConn) error { return errNoHTTP3 }

// SetQUICHeaders always fails.
func (*Server) SetQUICHeaders(http.Header) error { return errNoHTTP3 }

// Close does nothing: nothing was opened.
func (*Server) Close() error { return nil }

// ListenAndServeQUIC always fails. gin's Engine.RunQUIC calls it.
func ListenAndServeQUIC(addr, certFile, keyFile string, handler http.Handler) error {
	return errNoHTTP3
}
