package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// MasterName is what a [Sentinel] calls its master.
const MasterName = "signalbox"

// Sentinel is a Redis with a replica and one Sentinel that makes the replica the master within two seconds or so after the
// master has gone.
type Sentinel struct {
	Master, Replica *Server
	Sentinel        *Server
}

// StartSentinel starts all three. They stop when the test ends. It skips the test where there is no redis-server.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not in PATH: this test needs a real Sentinel")
	}
	s := &Sentinel{Master: startReal(t, path, nil, nil)}
	s.Replica = startReal(t, path, []string{"--replicaof", host + " " + s.Master.port()}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c := goredis.NewClient(&goredis.Options{Addr: s.Replica.Addr()})
	defer c.Close()
	if err := until(ctx, func() (bool, error) { return inSync(ctx, c) }); err != nil {
		t.Fatalf("the replica does not begin: %v", err)
	}
	s.Sentinel = startSentinel(t, path, s.Master)
	known := goredis.NewSentinelClient(&goredis.Options{Addr: s.Sentinel.Addr()})
	defer known.Close()
	err = until(ctx, func() (bool, error) {
		replicas, err := known.Replicas(ctx, MasterName).Result()
		return len(replicas) > 0, err
	})
	if err != nil {
		t.Fatalf("the Sentinel does not find the replica: %v", err)
	}
	return s
}

// URL is the address as REDIS_URL has it.
func (s *Sentinel) URL() string { return "redis+sentinel://" + s.Sentinel.Addr() + "/" + MasterName }

// startSentinel gives the process a file of settings, since a Sentinel wants one that it can write to.
func startSentinel(t testing.TB, path string, master *Server) *Server {
	t.Helper()
	port := freePort(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	settings := fmt.Sprintf(`bind %[1]s
port %[2]d
dir %[3]s
sentinel monitor %[4]s %[1]s %[5]s 1
sentinel down-after-milliseconds %[4]s 500
sentinel failover-timeout %[4]s 3000
`, host, port, dir, MasterName, master.port())
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, addr: net.JoinHostPort(host, strconv.Itoa(port))}
	s.process = newProcess(t, path, []string{file, "--sentinel"}, "+monitor master")
	if err := s.process.start(); err != nil {
		t.Fatal(err)
	}
	return s
}
