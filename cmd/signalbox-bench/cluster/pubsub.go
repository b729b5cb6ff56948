package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/measure"
)

const (
	pubSubBytes    = 300 // of each message: about what a message of 64 bytes of padding takes on the wire
	pubSubMessages = 10_000
	pubSubBatch    = 50 // of them at a time, as busy servers write them
)

// pubSubSubscribers are the numbers of subscribers.
var pubSubSubscribers = []int{0, 1, 2, 4, 8, 16, 32, 64, 128}

// pubSubResult is what a PUBLISH costs Redis, in microseconds.
type pubSubResult struct {
	subscribers    int
	plain, pattern float64
}

// measurePubSub measures Redis without any server: what a PUBLISH costs it, by the number of subscribers of the channel,
// and of a pattern that fits it, as the classic mode has them.
func (c *bench) measurePubSub(ctx context.Context) error {
	redis, err := startRedis(ctx, c.opts.redis, c.Work, c.ServerCPU)
	if err != nil {
		return err
	}
	defer redis.stop()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("pubsub: not finished after a minute"))
	defer cancel()
	fmt.Fprintf(c.Stderr, "bench: pubsub: %d messages of %d bytes to up to %d subscribers\n", pubSubMessages, pubSubBytes, pubSubSubscribers[len(pubSubSubscribers)-1])
	for _, n := range pubSubSubscribers {
		res := pubSubResult{subscribers: n}
		if res.plain, err = redis.publishCost(ctx, "SUBSCRIBE", "socket.io#/#room#", n); err == nil {
			res.pattern, err = redis.publishCost(ctx, "PSUBSCRIBE", "socket.io#/#*", n)
		}
		if err != nil {
			return fmt.Errorf("pubsub: %w", errors.Join(err, context.Cause(ctx)))
		}
		c.pubsub = append(c.pubsub, res)
	}
	return nil
}

// publishCost publishes to n subscribers and returns the processor time of Redis for each message, in microseconds.
func (r *redisServer) publishCost(ctx context.Context, verb, name string, n int) (float64, error) {
	var received atomic.Int64
	var readers sync.WaitGroup
	defer readers.Wait()
	for range n {
		conn, err := r.subscribe(ctx, verb, name)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		readers.Go(func() { drain(conn, &received) })
	}
	m := measure.Meter{Procs: measure.Watched(r.PID())}
	if err := m.Begin(); err != nil {
		return 0, err
	}
	payload := strings.Repeat("x", pubSubBytes)
	for range pubSubMessages / pubSubBatch {
		batch := r.client.Pipeline()
		for range pubSubBatch {
			batch.Publish(ctx, "socket.io#/#room#", payload)
		}
		if _, err := batch.Exec(ctx); err != nil {
			return 0, err
		}
	}
	all := int64(n) * pubSubMessages * pubSubBytes // and what stands around each
	for deadline := time.Now().Add(10 * time.Second); received.Load() < all; {
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("subscribers got %d of more than %d bytes", received.Load(), all)
		}
		if err := measure.Pause(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
	if err := m.End(0); err != nil {
		return 0, err
	}
	return m.Total() / pubSubMessages, nil
}

// subscribe opens a connection that is subscribed to name.
func (r *redisServer) subscribe(ctx context.Context, verb, name string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	if _, err = fmt.Fprintf(conn, "%s %s\r\n", verb, name); err == nil {
		// The whole answer: the word, the name, and the number of subscriptions.
		answer := fmt.Sprintf("*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:1\r\n", len(verb), strings.ToLower(verb), len(name), name)
		got := make([]byte, len(answer))
		if _, err = io.ReadFull(conn, got); err == nil && string(got) != answer {
			err = fmt.Errorf("%s is answered with %q", verb, got)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// drain reads until the connection ends, and counts the bytes.
func drain(conn net.Conn, received *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		received.Add(int64(n))
		if err != nil {
			return
		}
	}
}
