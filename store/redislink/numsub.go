package redislink

import (
	"context"

	goredis "github.com/redis/go-redis/v9"
)

// NumSub returns how many connections are subscribed to channel, with SSUBSCRIBE where sharded; patterns do not count. In
// a Redis Cluster it is the sum over all nodes. Errors are those of [Link.Do].
func (l *Link) NumSub(ctx context.Context, sharded bool, channel string) (int64, error) {
	counts, err := l.NumSubs(ctx, sharded, channel)
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

// NumSubs is NumSub for several channels at once.
func (l *Link) NumSubs(ctx context.Context, sharded bool, channels ...string) ([]int64, error) {
	var n []int64
	err := l.Do(ctx, func(ctx context.Context, c goredis.UniversalClient) error {
		var counts []int64
		var err error
		if cluster, ok := c.(*goredis.ClusterClient); ok {
			counts, err = clusterNumSub(ctx, cluster, sharded, channels)
		} else {
			counts, err = numSub(ctx, c, sharded, channels)
		}
		if err == nil {
			n = counts
		}
		return err
	})
	return n, err
}
