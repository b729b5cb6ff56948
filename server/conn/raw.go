package conn

import (
	"net"
	"syscall"

	"signalbox/internal/rawio"
)

// rawConn returns access to nc's descriptor, or nil if reading and writing the descriptor would go past nc: TLS, or a
// type that is not known to be a bare socket.
func rawConn(nc net.Conn) syscall.RawConn {
	if !rawio.Direct {
		return nil
	}
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case ownConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
