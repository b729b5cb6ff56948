package redistest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// slots is how many a Redis Cluster has.
const slots = 16384

// Cluster is a Redis Cluster.
type Cluster struct {
	Masters  []*Server
	Replicas []*Server // Replicas[i] is that of Masters[i]; none where none were wanted
}

// StartCluster starts a Redis Cluster whose slots lie on so many masters, in their order and in equal parts, each with a
// replica where those are wanted. It stops when the test ends, and skips the test where there is no redis-server.
func StartCluster(t testing.TB, masters int, replicas bool) *Cluster {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not in PATH: this test needs a real Redis Cluster")
	}
	c := &Cluster{}
	for range masters {
		c.Masters = append(c.Masters, startNode(t, path))
	}
	if replicas {
		for range masters {
			c.Replicas = append(c.Replicas, startNode(t, path))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := c.join(ctx); err != nil {
		t.Fatalf("build a cluster: %v", err)
	}
	return c
}

// URL is the address of the cluster as REDIS_URL has it: two of its nodes.
func (c *Cluster) URL() string {
	addrs := []string{c.Masters[0].Addr()}
	if len(c.Masters) > 1 {
		addrs = append(addrs, c.Masters[1].Addr())
	}
	return "redis+cluster://" + strings.Join(addrs, ",")
}

func (c *Cluster) nodes() []*Server {
	return append(c.Masters[:len(c.Masters):len(c.Masters)], c.Replicas...)
}

func startNode(t testing.TB, path string) *Server {
	t.Helper()
	return startReal(t, path, nil, func() []string {
		return []string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", strconv.Itoa(freePort(t)),
			"--cluster-replica-validity-factor", "0",
		}
	})
}

// join makes one cluster of the nodes, and returns once all of them know all slots.
func (c *Cluster) join(ctx context.Context) error {
	nodes := c.nodes()
	clients := make([]*goredis.Client, len(nodes))
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		clients[i] = goredis.NewClient(&goredis.Options{Addr: n.Addr()})
		defer clients[i].Close()
		if err := clients[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
		id, err := clients[i].ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		ids[i] = id
	}
	for i := range c.Masters {
		first, last := i*slots/len(c.Masters), (i+1)*slots/len(c.Masters)-1
		if err := clients[i].ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return err
		}
	}
	for _, n := range nodes[1:] {
		bus, err := n.option("--cluster-port")
		if err != nil {
			return err
		}
		if err := clients[0].Do(ctx, "cluster", "meet", host, n.port(), bus).Err(); err != nil {
			return err
		}
	}
	if err := until(ctx, func() (bool, error) { return agree(ctx, clients, len(nodes)) }); err != nil {
		return fmt.Errorf("the nodes do not find each other: %w", err)
	}
	for i := range c.Replicas {
		if err := clients[len(c.Masters)+i].ClusterReplicate(ctx, ids[i]).Err(); err != nil {
			return err
		}
	}
	if err := until(ctx, func() (bool, error) { return c.haveReplicas(ctx, clients) }); err != nil {
		return fmt.Errorf("the replicas do not begin: %w", err)
	}
	return nil
}

// agree reports whether every node knows of all the others and of all slots.
func agree(ctx context.Context, clients []*goredis.Client, nodes int) (bool, error) {
	for _, c := range clients {
		info, err := c.ClusterInfo(ctx).Result()
		if err != nil {
			return false, err
		}
		if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(nodes)+"\r") {
			return false, nil
		}
	}
	return true, nil
}

// haveReplicas reports whether every node knows of a replica of each master, and the replicas have what the masters have.
func (c *Cluster) haveReplicas(ctx context.Context, clients []*goredis.Client) (bool, error) {
	for i, client := range clients {
		shards, err := client.ClusterShards(ctx).Result()
		if err != nil {
			return false, err
		}
		for _, shard := range shards {
			if want := 1 + len(c.Replicas)/len(c.Masters); len(shard.Nodes) != want {
				return false, nil
			}
			for _, n := range shard.Nodes {
				if n.Role == "replica" && n.ReplicationOffset == 0 { // CLUSTER SLOTS has it only then
					return false, nil
				}
			}
		}
		if i < len(c.Masters) {
			continue
		}
		if ok, err := inSync(ctx, client); !ok {
			return false, err
		}
	}
	return true, nil
}

// inSync reports whether a replica has what its master has.
func inSync(ctx context.Context, replica *goredis.Client) (bool, error) {
	info, err := replica.Info(ctx, "replication").Result()
	return strings.Contains(info, "master_link_status:up"), err
}

// until asks again and again, and returns nil once the answer is yes.
func until(ctx context.Context, is func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.addr) // it was made by joining the two
	return port
}

// option returns the value the process was given.
func (s *Server) option(name string) (string, error) {
	for i, arg := range s.process.args[:len(s.process.args)-1] {
		if arg == name {
			return s.process.args[i+1], nil
		}
	}
	return "", fmt.Errorf("the server at %s has no option %s", s.addr, name)
}
