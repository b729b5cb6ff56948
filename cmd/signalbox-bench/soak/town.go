package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/cmd/signalbox-bench/rig"
)

// What the servers are told. The times are short, so that a run of a minute sees a client that is gone without a word.
const (
	pingInterval = 3 * time.Second
	pingTimeout  = 4 * time.Second
	recoveryTime = 8 * time.Second
	stopGrace    = 15 * time.Second
	prefix       = "soak"
	secret       = "the secret of the checker, for nobody else"
	apiKey       = "the key of the checker"
)

// town is the servers and the Redis they share.
type town struct {
	binary   string
	dir      string
	env      []string // more settings of the servers
	recovery bool
	redis    *rig.Server
	store    *goredis.Client
	nodes    []*node
}

// run tells the processes of a server apart.
func (n *node) run() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.began
}

// node is one server, and what follows it at the same address after it has ended.
type node struct {
	number int
	town   *town
	port   string
	debug  string
	redis  *link // nil without Redis

	// mu guards the following.
	mu    sync.Mutex
	srv   *rig.Server
	began time.Time
	base  counts
}

// counts are what a server holds.
type counts struct {
	Goroutines  int64 `json:"goroutines"`
	HeapBytes   int64 `json:"heapBytes"`
	descriptors int64
	all         map[string]int64
}

// newTown starts Redis, unless binary is empty, and the servers.
func newTown(ctx context.Context, o options, dir string) (*town, error) {
	t := &town{binary: o.signalbox, dir: dir, env: o.env, recovery: o.recovery}
	if o.redis != "" {
		if err := t.startRedis(ctx, o.redis); err != nil {
			t.close()
			return nil, err
		}
	}
	for i := range o.nodes {
		n := &node{number: i, town: t}
		t.nodes = append(t.nodes, n)
		err := n.prepare()
		if err == nil {
			err = n.start(ctx)
		}
		if err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// startRedis starts a redis-server that keeps nothing on disk.
func (t *town) startRedis(ctx context.Context, binary string) error {
	port, err := rig.FreePort()
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.dir)
	cmd.Dir = t.dir
	if t.redis, err = rig.Launch("redis-server", "127.0.0.1:"+port, cmd, -1); err != nil {
		return err
	}
	t.store = goredis.NewClient(&goredis.Options{Addr: t.redis.URL, Protocol: 2, DisableIdentity: true})
	return t.redis.Await(ctx, func(ctx context.Context) error { return t.store.Ping(ctx).Err() })
}

// close ends everything.
func (t *town) close() {
	var all sync.WaitGroup
	for _, n := range t.nodes {
		all.Go(func() {
			if s := n.server(); s != nil {
				s.Stop(stopGrace)
			}
		})
	}
	all.Wait()
	for _, n := range t.nodes {
		if n.redis != nil {
			n.redis.close()
		}
	}
	if t.redis != nil {
		_ = t.store.Close()
		t.redis.Stop(stopGrace)
	}
}

// prepare finds the addresses of a server.
func (n *node) prepare() error {
	var err error
	if n.port, err = rig.FreePort(); err != nil {
		return err
	}
	if n.debug, err = rig.FreePort(); err != nil {
		return err
	}
	if n.town.redis != nil {
		n.redis, err = newLink(n.town.redis.URL, nil)
	}
	return err
}

// addr is where clients connect to.
func (n *node) addr() string { return "127.0.0.1:" + n.port }

// server is the process that runs now, or ran last.
func (n *node) server() *rig.Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.srv
}

// start starts the server and waits until it is ready.
func (n *node) start(ctx context.Context) error {
	cmd := exec.Command(n.town.binary)
	cmd.Dir = n.town.dir
	cmd.Env = append(os.Environ(),
		"HOST=127.0.0.1", "PORT="+n.port, "DEBUG_ADDR=127.0.0.1:"+n.debug, "LOG_LEVEL=warn", "CONSOLE=false",
		"JWT_SECRET="+secret, "API_KEY="+apiKey,
		"PING_INTERVAL="+pingInterval.String(), "PING_TIMEOUT="+pingTimeout.String(),
		"HANDOVER_GRACE=2s", "DRAIN_SPREAD=500ms", "GORACE=atexit_sleep_ms=0", "REDIS_URL=", "REDIS_PREFIX="+prefix)
	if n.redis != nil {
		cmd.Env = append(cmd.Env, "REDIS_URL=redis://"+n.redis.addr())
	}
	if n.town.recovery {
		cmd.Env = append(cmd.Env, "RECOVERY=true", "RECOVERY_TIME="+recoveryTime.String())
	}
	cmd.Env = append(cmd.Env, n.town.env...)
	srv, err := rig.Launch(fmt.Sprintf("server %d", n.number), "http://"+n.addr(), cmd, -1)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.srv, n.began = srv, time.Now()
	n.mu.Unlock()
	err = srv.Await(ctx, func(ctx context.Context) error {
		_, err := n.get(ctx, "http://"+n.addr()+"/readyz")
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", srv.Name, err, srv.Output)
	}
	base, err := n.counts(ctx)
	n.mu.Lock()
	n.base = base
	n.mu.Unlock()
	return err
}

// kill ends the server by SIGKILL.
func (n *node) kill() {
	s := n.server()
	_ = syscall.Kill(s.PID(), syscall.SIGKILL)
	s.Stop(stopGrace) // it waits
}

// get asks the server by HTTP.
func (n *node) get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, res.Status, body)
	}
	return body, err
}

// counts asks the server what it holds, and the system for its descriptors.
func (n *node) counts(ctx context.Context) (counts, error) {
	body, err := n.get(ctx, "http://127.0.0.1:"+n.debug+"/debug/counts?gc=1")
	if err != nil {
		return counts{}, err
	}
	var c counts
	if err := errors.Join(json.Unmarshal(body, &c), json.Unmarshal(body, &c.all)); err != nil {
		return counts{}, err
	}
	if list, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(n.server().PID()), "fd")); err == nil {
		c.descriptors = int64(len(list))
	}
	return c, nil
}

// complaint returns what a server wrote that none should write, or nothing.
func complaint(output string) string {
	for line := range strings.Lines(output) {
		for _, bad := range []string{"DATA RACE", "panic", "fatal error"} {
			if strings.Contains(line, bad) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}
