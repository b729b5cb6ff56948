package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

const (
	host = "127.0.0.1"
	// The ports lie below those a kernel gives to outgoing connections (from 32768 on Linux): while a server is stopped, a
	// client that dials its port from that very port would connect to itself.
	firstPort, lastPort = 20000, 32000
)

// freePort returns a port nobody listens on at the moment.
func freePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("found no free port")
	return 0
}
