package redislink

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// clientName is what CLIENT LIST shows.
const clientName = "signalbox"

// poolSize is how many connections go-redis may keep to one Redis. Do uses far fewer at a time; but after as many
// failures to connect, go-redis starts a goroutine that outlives its client by a second.
const poolSize = 100

// topology knows where Redis is and makes connections to it. Its methods may be called from any goroutine.
type topology struct {
	// Static after construction.
	ctx     context.Context // ends with the link
	address address
	timeout time.Duration
	tls     *trust     // nil: no TLS
	asking  *sentinels // nil: there are none

	// masters are those the cluster or the Sentinels have told of last; nil: nobody has, which is so for good with a
	// single Redis.
	masters atomic.Pointer[[]string]

	// mu guards the following.
	mu     sync.Mutex
	client goredis.UniversalClient // the pool, or the pools
}

var quiet sync.Once

func newTopology(ctx context.Context, o Options, a address) *topology {
	// go-redis writes failures to stderr, one by one, whatever becomes of them. All of them reach the link as errors, and
	// it says once what is the matter.
	quiet.Do(func() { goredis.SetLogger(voidLogger{}) })
	t := &topology{ctx: ctx, address: a, timeout: o.Timeout}
	if a.tls {
		t.tls = newTrust(a, o)
	}
	if a.kind == sentinel {
		t.asking = &sentinels{topology: t, hosts: slices.Clone(a.hosts)}
	}
	t.client = t.newClient()
	return t
}

type voidLogger struct{}

func (voidLogger) Printf(context.Context, string, ...any) {}

// pool returns the client for commands somebody waits for.
func (t *topology) pool() goredis.UniversalClient {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.client
}

// cluster returns the same where it is a Redis Cluster, and nil otherwise.
func (t *topology) cluster() *goredis.ClusterClient {
	c, _ := t.pool().(*goredis.ClusterClient)
	return c
}

// renew replaces the pool: its idle connections may be as dead as the one that has just been found to be. Commands that wait
// for an answer fail.
func (t *topology) renew() {
	t.mu.Lock()
	old := t.client
	t.client = t.newClient()
	t.mu.Unlock()
	_ = old.Close()
}

func (t *topology) close() {
	_ = t.pool().Close()
	if t.asking != nil {
		t.asking.close()
	}
}

func (t *topology) newClient() goredis.UniversalClient {
	a := &t.address
	switch a.kind {
	case sentinel:
		o := t.options("")
		o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
			addr, err := t.asking.last(ctx)
			if err != nil {
				return nil, err
			}
			return t.dial(ctx, network, addr)
		}
		return goredis.NewClient(o)
	case cluster:
		return goredis.NewClusterClient(&goredis.ClusterOptions{
			Addrs:  a.hosts,
			Dialer: t.dial, ClientName: clientName, DisableIdentity: true, Protocol: 2,
			Username: a.user, Password: a.password,
			MaxRetries: -1, DialerRetries: 1, PipelinePoolSize: -1, PoolSize: poolSize, DisableRoutingPolicies: true,
			DialTimeout: t.timeout, ReadTimeout: t.timeout, WriteTimeout: t.timeout, PoolTimeout: t.timeout,
			ContextTimeoutEnabled:    true,
			MaintNotificationsConfig: noMaintenance(),
		})
	}
	return goredis.NewClient(t.options(a.hosts[0]))
}

// options are those of a client of one Redis. Nothing is tried twice: whether a command may be repeated is for its sender to
// know, and when to connect again for the link.
func (t *topology) options(addr string) *goredis.Options {
	return &goredis.Options{
		Addr:   addr,
		Dialer: t.dial, ClientName: clientName, DisableIdentity: true, Protocol: 2,
		Username: t.address.user, Password: t.address.password, DB: t.address.db,
		MaxRetries: -1, DialerRetries: 1, PipelinePoolSize: -1, PoolSize: poolSize,
		DialTimeout: t.timeout, ReadTimeout: t.timeout, WriteTimeout: t.timeout, PoolTimeout: t.timeout,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: noMaintenance(),
	}
}

func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// wire makes a connection to node, a host:port. An empty node is the Redis itself, wherever the Sentinels say
// that it is, or any master of a cluster.
func (t *topology) wire(ctx context.Context, node string) (*wire, error) {
	var err error
	switch {
	case node != "":
	case t.address.kind == cluster:
		node, err = t.anyMaster(ctx, t.cluster())
	case t.address.kind == sentinel:
		node, err = t.asking.master(ctx)
	default:
		node = t.address.hosts[0]
	}
	if err != nil {
		return nil, err
	}
	return t.connect(ctx, t.options(node))
}

// check returns an error where addr is no master any more, as far as has been heard. A node that was taken out of a
// cluster, or that was cut off from its Sentinels, goes on answering as if nothing had happened. It does not ask anybody.
func (t *topology) check(addr string) error {
	if masters := t.masters.Load(); masters != nil && !slices.Contains(*masters, addr) {
		return errFailover
	}
	return nil
}

// greeting makes of an error of the first command of a connection what it most likely means.
func (t *topology) greeting(err error) error {
	if isEnd(err) && t.tls == nil && t.ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errGreeting, err)
	}
	return err
}

// dial connects to addr, and does the handshake of TLS where the URL wants it.
func (t *topology) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn = quick(conn)
	if t.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, t.tls.config(addr))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	return secure, nil
}
