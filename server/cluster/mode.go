package cluster

import (
	"context"
	"fmt"
	"time"
)

// CheckMode returns an error where servers are seen that speak another mode over the same channels: neither would understand the
// other, and some end over it. It waits for Redis for a moment; while that is away nothing is seen.
func (c *Cluster) CheckMode(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for !c.link.Up() {
		if c.link.Stats().Reason != "" || ctx.Err() != nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	base := c.prefix + "#" + rootNamespace + "#"
	// Servers of the classic mode listen to requests; answers in it go to those of signalbox on one channel more. Servers of the
	// streams mode listen to the first channel alone.
	request, answers := c.prefix+"-request#"+rootNamespace+"#", c.prefix+"-response#"+rootNamespace+"#"
	n, err := c.link.NumSubs(ctx, false, base, request, answers)
	if err != nil {
		return nil // it may not be asked
	}
	mode := ""
	if c.stream == nil {
		if n[0] > n[2] {
			mode = "streams"
		}
	} else if n[1] > 0 {
		mode = "classic"
	} else if sharded, err := c.link.NumSub(ctx, true, base); err == nil && sharded > 0 { // Redis before 7 knows no such thing
		mode = "sharded"
	}
	if mode == "" {
		return nil
	}
	return fmt.Errorf("REDIS_MODE: servers in the mode %s are on the channels that begin with %q: all servers, Node's among them, need one mode, or a prefix of their own",
		mode, c.prefix)
}
