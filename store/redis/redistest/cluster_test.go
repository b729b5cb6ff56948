package redistest

import (
	"context"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

func TestStartCluster(t *testing.T) {
	c := StartCluster(t, 3, true)
	ctx := context.Background()
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{c.Masters[1].Addr()}})
	t.Cleanup(func() { _ = client.Close() })
	for _, key := range []string{"a", "b", "c", "d", "e"} { // of slots on all three
		if err := client.Set(ctx, key, "x", 0).Err(); err != nil {
			t.Errorf("Set(%q) = %v", key, err)
		}
	}
	shards, err := client.ClusterShards(ctx).Result()
	if err != nil || len(shards) != 3 || len(shards[0].Nodes) != 2 {
		t.Errorf("ClusterShards = %+v, %v, want 3 shards of 2", shards, err)
	}
}

func TestStartSentinel(t *testing.T) {
	s := StartSentinel(t)
	c := goredis.NewSentinelClient(&goredis.Options{Addr: s.Sentinel.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	addr, err := c.GetMasterAddrByName(context.Background(), MasterName).Result()
	if err != nil || len(addr) != 2 || addr[1] != s.Master.port() {
		t.Errorf("the master is %v, %v, want port %s", addr, err, s.Master.port())
	}
}
