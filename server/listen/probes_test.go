//go:build unix

package listen

import (
	"net"
	"syscall"
	"testing"

	"signalbox/config"
)

func TestClientsAreNotProbed(t *testing.T) {
	open, err := Open(config.Default(), config.Addresses{{Network: "tcp", Host: "127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer Close(open)
	client, err := net.Dial("tcp", open[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := open[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	raw, err := accepted.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var on int
	var fault error
	if err := raw.Control(func(fd uintptr) {
		on, fault = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
	}); err != nil || fault != nil || on != 0 {
		t.Errorf("SO_KEEPALIVE = %d, %v, %v", on, fault, err)
	}
}
