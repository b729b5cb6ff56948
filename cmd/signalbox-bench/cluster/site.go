package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/cmd/signalbox-bench/rig"
)

// stopGrace is how long a process may take to end.
const stopGrace = 5 * time.Second

// redisServer is a running redis-server that keeps nothing.
type redisServer struct {
	*rig.Server
	addr   string
	client *goredis.Client
}

// startRedis starts a redis-server on a free port of loopback and waits until it answers. It writes nothing to disk.
func startRedis(ctx context.Context, binary, dir string, cpu int) (*redisServer, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, fmt.Errorf("a cluster needs Redis, and %s is not here (%w): install it, for example with "+
			"apt-get install redis-server or brew install redis, or name it with --redis-server", binary, err)
	}
	port, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	cmd.Dir = dir
	addr := "127.0.0.1:" + port
	s, err := rig.Launch("redis-server", "redis://"+addr, cmd, cpu)
	if err != nil {
		return nil, err
	}
	r := &redisServer{Server: s, addr: addr, client: goredis.NewClient(&goredis.Options{Addr: addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1})}
	if err := s.Await(ctx, func(ctx context.Context) error { return r.client.Ping(ctx).Err() }); err != nil {
		r.stop()
		return nil, fmt.Errorf("start redis-server: %w\n%s", err, s.Output)
	}
	return r, nil
}

// stop ends it.
func (r *redisServer) stop() {
	_ = r.client.Close()
	r.Server.Stop(stopGrace)
}

// version returns what the server says of itself.
func (r *redisServer) version(ctx context.Context) (string, error) {
	return r.info(ctx, "server", "redis_version")
}

// usedMemory returns the bytes that Redis has allocated for everything.
func (r *redisServer) usedMemory(ctx context.Context) (int64, error) {
	text, err := r.info(ctx, "memory", "used_memory")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// info reads one value of INFO.
func (r *redisServer) info(ctx context.Context, section, key string) (string, error) {
	text, err := r.client.Info(ctx, section).Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+":"); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("no %s in INFO %s", key, section)
}

// site is a number of servers that work together, with a Redis of their own; or one server without.
type site struct {
	name    string
	redis   *redisServer // nil: none
	servers []*rig.Server
}

// urls lists the first n servers for the flag --url.
func (s *site) urls(n int) string {
	var list []string
	for _, srv := range s.servers[:n] {
		list = append(list, srv.URL)
	}
	return strings.Join(list, ",")
}

// pids lists all processes for the flag --pid: the servers, then Redis.
func (s *site) pids() string {
	var list []string
	for _, srv := range s.servers {
		list = append(list, strconv.Itoa(srv.PID()))
	}
	if s.redis != nil {
		list = append(list, strconv.Itoa(s.redis.PID()))
	}
	return strings.Join(list, ",")
}

// dead returns an error that names the processes that have ended by themselves.
func (s *site) dead() error {
	var errs []error
	for _, srv := range s.servers {
		if srv.Dead() {
			errs = append(errs, fmt.Errorf("a server of %s (%s) ended by itself:\n%s", s.name, srv.Name, srv.Output))
		}
	}
	if s.redis != nil && s.redis.Dead() {
		errs = append(errs, fmt.Errorf("the redis-server of %s ended by itself:\n%s", s.name, s.redis.Output))
	}
	return errors.Join(errs...)
}

// stop ends the servers, all at a time, and then Redis.
func (s *site) stop() {
	var ending sync.WaitGroup
	for _, srv := range s.servers {
		ending.Go(func() { srv.Stop(stopGrace) })
	}
	ending.Wait()
	if s.redis != nil {
		s.redis.stop()
	}
}

// add starts one more server of a site.
func (s *site) add(ctx context.Context, spec rig.Spec, cpu int, stderr io.Writer) error {
	if s.redis != nil {
		spec.Env = append([]string{"REDIS_URL=" + s.redis.URL}, spec.Env...)
	} else {
		spec.Env = append([]string{"REDIS_URL="}, spec.Env...) // whatever this process's environment says
	}
	srv, err := rig.Start(ctx, spec, cpu, stderr)
	if err == nil {
		s.servers = append(s.servers, srv)
	}
	return err
}
