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
)

// topology knows where Redis is and makes connections to it. Its methods may be called from any goroutine.
type topology struct {
	// Static after construction.
	ctx     context.Context // ends with the link
	address address
	timeout time.Duration
	silence time.Duration
	tls     *trust         // nil: no TLS
	asking  *sentinels     // nil: there are none
	cluster *clusterMap    // nil: it is no cluster
	running sync.WaitGroup // of the askers

	// nodes are those that may be used, as the cluster or the Sentinels have said last; nil: nobody has, which is so for good
	// with a single Redis.
	nodes atomic.Pointer[[]string]

	// mu guards the following.
	mu     sync.Mutex
	askers map[string]*asker // by node; "" is the Redis itself where it is no cluster
}

func newTopology(ctx context.Context, o Options, a address) *topology {
	t := &topology{ctx: ctx, address: a, timeout: o.Timeout, silence: o.Silence, askers: map[string]*asker{}}
	if a.tls {
		t.tls = newTrust(a, o)
	}
	switch a.kind {
	case sentinel:
		t.asking = &sentinels{topology: t, hosts: slices.Clone(a.hosts)}
	case cluster:
		t.cluster = &clusterMap{topology: t}
	}
	return t
}

// asker returns who asks a node; "" is the Redis itself where it is no cluster.
func (t *topology) asker(node string) *asker {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.askers[node]
	if a == nil {
		a = newAsker(t, node)
		t.askers[node] = a
	}
	return a
}

// keep ends the askers of all nodes but these, unless somebody waits for them: nodes do not agree for a moment.
func (t *topology) keep(nodes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for node, a := range t.askers {
		if !slices.Contains(nodes, node) && a.idle() {
			delete(t.askers, node)
			a.cancel()
		}
	}
}

// renew has everybody who asks connect anew.
func (t *topology) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.askers {
		a.renew()
	}
}

// close waits for the askers, once ctx has ended.
func (t *topology) close() {
	t.running.Wait()
	if t.asking != nil {
		t.asking.close()
	}
}

// ask has commands carried out, and returns their replies, some of which may be an [Error]. In a cluster each goes to the
// node of its key.
func (t *topology) ask(ctx context.Context, cmds [][]any) ([]any, error) {
	if t.cluster != nil {
		return t.cluster.ask(ctx, cmds)
	}
	return t.asker("").ask(ctx, len(cmds), func(b []byte) []byte { return appendCommands(b, cmds) })
}

func appendCommands(b []byte, cmds [][]any) []byte {
	for _, args := range cmds {
		b = appendCommand(b, args...)
	}
	return b
}

// numSubs returns how many subscribers each channel has.
func (t *topology) numSubs(ctx context.Context, sharded bool, channels []string) ([]int64, error) {
	if t.cluster != nil {
		return t.cluster.numSubs(ctx, sharded, channels)
	}
	sums := make([]int64, len(channels))
	replies, err := t.ask(ctx, [][]any{numSubCommand(sharded, channels)})
	if err == nil {
		err = addNumSub(sums, replies[0])
	}
	return sums, err
}

// open makes a connection to node, a host:port. An empty node is the Redis itself, wherever the Sentinels say that it is, or
// any master of a cluster.
func (t *topology) open(ctx context.Context, node string) (*conn, error) {
	var err error
	switch {
	case node != "":
	case t.cluster != nil:
		node, err = t.cluster.anyMaster(ctx)
	case t.asking != nil:
		node, err = t.asking.master(ctx)
	default:
		node = t.address.hosts[0]
	}
	if err != nil {
		return nil, err
	}
	return t.connect(ctx, node, login{t.address.user, t.address.password, t.address.db})
}

// check returns an error where addr is not to be used any more, as far as has been heard. A node that was taken out of a
// cluster, or that was cut off from its Sentinels, goes on answering as if nothing had happened. It does not ask anybody.
func (t *topology) check(addr string) error {
	if nodes := t.nodes.Load(); nodes != nil && !slices.Contains(*nodes, addr) {
		return errFailover
	}
	return nil
}

// dial connects to addr, and does the handshake of TLS where the URL wants it.
func (t *topology) dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
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
