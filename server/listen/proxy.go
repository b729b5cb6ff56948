package listen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	// maxLine bounds a header of version 1, its line feed included.
	maxLine = 107
	// maxBlock bounds what follows the first 16 bytes of a header of version 2: addresses, and what proxies add to them.
	maxBlock = 4 << 10
	// signed is how much tells the versions apart; no header is shorter.
	signed = 12
)

var (
	signature  = []byte("\r\n\r\n\x00\r\nQUIT\n")
	errNoProxy = errors.New("a trusted proxy sends no PROXY header")
)

// Proxied returns what reads the header of the PROXY protocol, version 1 or 2, on connections of trusted proxies: it must be
// there, or a client behind one that writes none could write its own. On other connections nothing is read. A unix socket
// is a trusted proxy's.
//
// Rule: [PROXY protocol].
//
// [PROXY protocol]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
func Proxied(trusted func(netip.Addr) bool, timeout time.Duration) func(net.Conn) (net.Addr, error) {
	return func(nc net.Conn) (net.Addr, error) {
		if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok && !trusted(tcp.AddrPort().Addr().Unmap().WithZone("")) {
			return nil, nil
		}
		if err := nc.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
		client, err := readHeader(nc)
		if err != nil {
			return nil, err
		}
		return client, nc.SetReadDeadline(time.Time{})
	}
}

// readHeader reads a header and not one byte behind it. It returns the client's address; nil: the header names none, as
// that of a proxy's own check.
func readHeader(r io.Reader) (net.Addr, error) {
	head, err := frameHeader(r)
	if err != nil {
		return nil, err
	}
	header, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return nil, fmt.Errorf("PROXY header: %w", err)
	}
	if tcp, ok := header.SourceAddr.(*net.TCPAddr); ok && header.Command.IsProxy() {
		return tcp, nil
	}
	return nil, nil
}

// frameHeader returns the bytes of a header.
func frameHeader(r io.Reader) ([]byte, error) {
	head := make([]byte, signed, maxLine)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if bytes.Equal(head, signature) {
		head = head[:signed+4]
		if _, err := io.ReadFull(r, head[signed:]); err != nil {
			return nil, err
		}
		size := int(binary.BigEndian.Uint16(head[signed+2:]))
		if size > maxBlock {
			return nil, errNoProxy
		}
		head = append(head, make([]byte, size)...)
		_, err := io.ReadFull(r, head[signed+4:])
		return head, err
	}
	if !bytes.HasPrefix(head, []byte("PROXY ")) {
		return nil, errNoProxy
	}
	for head[len(head)-1] != '\n' { // byte by byte: what follows is the client's
		if len(head) == maxLine {
			return nil, errNoProxy
		}
		head = head[:len(head)+1]
		if _, err := io.ReadFull(r, head[len(head)-1:]); err != nil {
			return nil, err
		}
	}
	return head, nil
}
