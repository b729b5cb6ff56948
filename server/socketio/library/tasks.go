package library

import (
	"context"
	"sync"
)

// tasks are goroutines that wait for other servers: [Library.Shutdown] ends them and waits until they are gone.
type tasks struct {
	// Static after construction.
	ctx    context.Context
	cancel context.CancelFunc
	idle   chan struct{} // closed when nothing runs any more, nor ever will

	mu sync.Mutex
	// mu guards the following.
	running int
	ended   bool
}

func newTasks() *tasks {
	t := &tasks{idle: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// start runs f on a goroutine of its own, with a ctx that ends with the server. It reports false where the server has
// ended.
func (t *tasks) start(f func(ctx context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.running++
	go func() { // awaited by end
		defer t.finish()
		f(t.ctx)
	}()
	return true
}

func (t *tasks) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 && t.ended {
		close(t.idle)
	}
}

// end tells every task to end and returns when all have, or with ctx's error when that took too long.
func (t *tasks) end(ctx context.Context) error {
	t.mu.Lock()
	if !t.ended && t.running == 0 {
		close(t.idle)
	}
	t.ended = true
	t.mu.Unlock()
	t.cancel()
	select {
	case <-t.idle:
		return nil
	default:
	}
	select {
	case <-t.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
