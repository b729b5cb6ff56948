package soak

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The rules of leftovers. When all clients have gone, each server has no clients and no rooms, and as many
// goroutines and descriptors as when it had started, but for a few connections to Redis that it keeps; its heap has
// not grown by more than heapSpare. Redis has nothing of them but the history, and every key expires.
const (
	spare     = 24
	heapSpare = 24 << 20
)

// leftovers waits until everything is gone, and notes what is not.
func (w *world) leftovers(ctx context.Context) {
	begun := time.Now()
	for {
		wrong := w.remaining(ctx)
		if len(wrong) == 0 || ctx.Err() != nil {
			return
		}
		if time.Since(begun) > w.options.patience {
			for _, text := range wrong {
				w.blame("%v after the last client has gone: %s", w.options.patience, text)
			}
			return
		}
		pause(ctx, 300*time.Millisecond)
	}
}

// remaining tells what is not gone yet.
func (w *world) remaining(ctx context.Context) (wrong []string) {
	for _, n := range w.town.nodes {
		c, err := n.counts(ctx)
		if err != nil {
			return append(wrong, err.Error())
		}
		n.mu.Lock()
		base := n.base
		n.mu.Unlock()
		for _, name := range []string{"clients", "websockets", "streams", "outboxBytes", "sockets", "rooms"} {
			if c.all[name] != 0 {
				wrong = append(wrong, fmt.Sprintf("server %d has %d %s", n.number, c.all[name], name))
			}
		}
		if c.Goroutines > base.Goroutines+spare {
			wrong = append(wrong, fmt.Sprintf("server %d: %d goroutines, at first %d", n.number, c.Goroutines, base.Goroutines))
		}
		if c.descriptors > base.descriptors+spare {
			wrong = append(wrong, fmt.Sprintf("server %d: %d files, at first %d", n.number, c.descriptors, base.descriptors))
		}
		if c.HeapBytes > base.HeapBytes+heapSpare {
			wrong = append(wrong, fmt.Sprintf("server %d: a heap of %d, at first %d", n.number, c.HeapBytes, base.HeapBytes))
		}
	}
	if w.town.redis == nil {
		return wrong
	}
	keys, err := w.town.store.Keys(ctx, "*").Result() // a Redis of our own
	if err != nil {
		return append(wrong, err.Error())
	}
	for _, key := range keys {
		ttl, err := w.town.store.TTL(ctx, key).Result()
		if err != nil {
			return append(wrong, err.Error())
		}
		switch name, _ := strings.CutPrefix(key, prefix+"-signalbox:"); {
		case ttl == -1:
			wrong = append(wrong, fmt.Sprintf("the key %q does not expire", key))
		case strings.HasPrefix(name, "history:"), mayStay[name]:
		default:
			wrong = append(wrong, fmt.Sprintf("the key %q is left", key))
		}
	}
	return wrong
}

// mayStay are the keys of servers, which say nothing of clients.
var mayStay = map[string]bool{
	"{nodes}:lease": true, "{nodes}:run": true, "{nodes}:leaving": true, "{nodes}:version": true,
	"{nodes}:seen": true, "{nodes}:seq": true, "{nodes}:dead": true,
}
