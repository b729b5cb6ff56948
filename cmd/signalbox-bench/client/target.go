package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Target is the server under load.
type Target struct {
	addr string // host:port to connect to
	host string // Host header
	path string // the Socket.IO path, with both slashes
	tls  *tls.Config
}

// NewTarget reads the address of a server: http(s)://host[:port], and the Socket.IO path.
func NewTarget(base, path string) (Target, error) {
	u, err := url.Parse(base)
	if err != nil {
		return Target{}, fmt.Errorf("url: %w", err)
	}
	t := Target{host: u.Host, addr: u.Host, path: "/" + strings.Trim(path, "/") + "/"}
	port := "80"
	switch u.Scheme {
	case "http", "ws":
	case "https", "wss":
		port = "443"
		t.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	default:
		return Target{}, fmt.Errorf("url %q: write it as http://host:port or https://host:port", base)
	}
	if u.Hostname() == "" {
		return Target{}, fmt.Errorf("url %q: the host is missing", base)
	}
	if u.Port() == "" {
		t.addr = net.JoinHostPort(u.Hostname(), port)
	}
	return t, nil
}

// dial opens a connection. recvBytes, if not 0, is the size of its kernel receive buffer: slow consumers use a small
// one, so that what they do not read stays with the server.
func (t Target) dial(ctx context.Context, recvBytes int) (net.Conn, error) {
	d := net.Dialer{Timeout: 15 * time.Second, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok && recvBytes > 0 {
		if err := tcp.SetReadBuffer(recvBytes); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if t.tls != nil {
		return tls.Client(conn, t.tls), nil
	}
	return conn, nil
}
