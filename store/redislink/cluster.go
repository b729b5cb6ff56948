package redislink

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// clusterSender writes to a Redis Cluster. What is published plainly goes to one node over one connection, and the
// cluster takes it to the others, each in that order. Everything else goes to the node it belongs to; as each batch is
// answered before the next one begins, order holds for what one node has.
type clusterSender struct {
	plain   *lineSender
	client  *goredis.ClusterClient
	ctx     context.Context // ends with the link
	timeout time.Duration
}

func newClusterSender(w *wire, t *topology, c *goredis.ClusterClient) *clusterSender {
	return &clusterSender{plain: newLineSender(w, t), client: c, ctx: t.ctx, timeout: t.timeout}
}

// check asks every master, since what is queued may be for any of them, and reads the map of the cluster again on the way.
func (s *clusterSender) check() error {
	if err := s.plain.conn.Ping(context.Background()).Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	if _, err := s.plain.topology.askMasters(ctx, s.client); err != nil {
		return err
	}
	return s.plain.topology.check(s.plain.wire.addr)
}

func (s *clusterSender) subscribers(sharded bool, channels []string) ([]int64, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	return clusterNumSub(ctx, s.client, sharded, channels)
}

// clusterNumSub sums over all nodes: other programs may subscribe at replicas. A master that does not answer is an error; a
// replica that does not has no subscribers to speak of.
func clusterNumSub(ctx context.Context, c *goredis.ClusterClient, sharded bool, channels []string) ([]int64, error) {
	var mu sync.Mutex
	sums := make([]int64, len(channels))
	add := func(ctx context.Context, c *goredis.Client) error {
		counts, err := numSub(ctx, c, sharded, channels)
		mu.Lock()
		defer mu.Unlock()
		for i, n := range counts {
			sums[i] += n
		}
		return err
	}
	if err := c.ForEachMaster(ctx, add); err != nil {
		return nil, err
	}
	_ = c.ForEachSlave(ctx, add)
	return sums, nil
}

// part is what goes to one node.
type part struct {
	client *goredis.Client
	cmds   []goredis.Cmder
}

// send carries out the commands first, and when they are answered publishes.
func (s *clusterSender) send(items []*item, cmds []goredis.Cmder) error {
	ctx, cancel := context.WithTimeout(s.ctx, 2*s.timeout) // to connect, and to be answered
	defer cancel()
	var commands, publications []part
	var plain []goredis.Cmder
	var plainItems []*item
	for i, it := range items {
		key, keyed := it.channel, true
		if it.verb == command {
			key, keyed = commandKey(it.args)
		}
		switch {
		case it.verb == publish:
			plain, plainItems = append(plain, cmds[i]), append(plainItems, it)
			continue
		case !keyed:
			commands = add(commands, nil, cmds[i])
			continue
		}
		node, err := s.client.MasterForKey(ctx, key)
		if err != nil {
			cmds[i].SetErr(err)
			return err
		}
		if it.verb == command {
			commands = add(commands, node, cmds[i])
		} else {
			publications = add(publications, node, cmds[i])
		}
	}
	if err := s.sendParts(ctx, commands); err != nil {
		return err
	}
	if len(plain) > 0 {
		if err := s.plain.send(plainItems, plain); err != nil {
			return err
		}
	}
	return s.sendParts(ctx, publications)
}

func add(parts []part, node *goredis.Client, cmd goredis.Cmder) []part {
	for i := range parts {
		if parts[i].client == node {
			parts[i].cmds = append(parts[i].cmds, cmd)
			return parts
		}
	}
	return append(parts, part{node, []goredis.Cmder{cmd}})
}

// sendParts writes to all nodes at once and waits for all. What a node has given away to another meanwhile is sent to
// that one.
func (s *clusterSender) sendParts(ctx context.Context, parts []part) error {
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, p := range parts {
		all.Go(func() { errs[i] = s.sendPart(ctx, p) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *clusterSender) sendPart(ctx context.Context, p part) error {
	var err error
	if p.client == nil {
		err = pipe(s.plain.conn, p.cmds)
	} else {
		err = pipe(p.client, p.cmds)
	}
	if err != nil {
		return err
	}
	for _, cmd := range p.cmds {
		if !isMoved(cmd.Err()) {
			continue
		}
		s.client.ReloadState(ctx)
		again := goredis.NewCmd(ctx, plainArgs(cmd)...)
		err := s.client.Process(ctx, again)
		if isBroken(err) {
			return err
		}
		if c, ok := cmd.(*goredis.Cmd); ok {
			c.SetVal(again.Val())
		}
		cmd.SetErr(err)
	}
	return nil
}

// plainArgs returns the arguments in a form in which go-redis finds the key among them.
func plainArgs(cmd goredis.Cmder) []any {
	args := slices.Clone(cmd.Args())
	for i, arg := range args {
		if text, ok := arg.(*string); ok {
			args[i] = *text
		}
	}
	return args
}

// keyAt are the commands whose first key is not their first argument; a number of keys comes before it.
var keyAt = map[string]int{"eval": 3, "evalsha": 3, "eval_ro": 3, "evalsha_ro": 3, "fcall": 3, "fcall_ro": 3}

// commandKey returns the first key of a command, and whether it has one.
func commandKey(args []any) (string, bool) {
	if len(args) < 2 {
		return "", false
	}
	at := 1
	if name, ok := args[0].(string); ok {
		if n, special := keyAt[strings.ToLower(name)]; special {
			at = n
		}
	}
	if at >= len(args) {
		return "", false
	}
	switch key := args[at].(type) {
	case string:
		return key, true
	case []byte:
		return string(key), true
	}
	return "", false
}

func (s *clusterSender) close() { s.plain.close() }

// anyMaster returns the address of one of the masters, by chance: so the nodes of signalbox spread over them.
func (t *topology) anyMaster(ctx context.Context, c *goredis.ClusterClient) (string, error) {
	masters, err := t.askMasters(ctx, c)
	if len(masters) == 0 {
		return "", err
	}
	return masters[rand.IntN(len(masters))], nil
}

// askMasters returns those masters that answer, and an error where some do not.
func (t *topology) askMasters(ctx context.Context, c *goredis.ClusterClient) ([]string, error) {
	var mu sync.Mutex
	var there []string
	err := c.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error {
		if err := c.Ping(ctx).Err(); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		there = append(there, c.Options().Addr)
		return nil
	})
	if err == nil {
		t.masters.Store(&there)
	}
	return there, err
}
