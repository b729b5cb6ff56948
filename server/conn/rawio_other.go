//go:build !unix

package conn

import (
	"errors"
	"net"
	"syscall"
)

// rawConn returns nil: connections are read and written through net.Conn alone.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readFD(uintptr, []byte) (n int, again bool, err error) { return 0, false, errors.ErrUnsupported }

func writeFD(uintptr, []byte) (n int, err error) { return 0, errors.ErrUnsupported }
