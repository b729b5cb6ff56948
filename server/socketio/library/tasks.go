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

	running sync.WaitGroup

	mu    sync.Mutex
	ended bool // none is started any more; guarded by mu
}

func newTasks() *tasks {
	t := new(tasks)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// start runs f on a goroutine of its own, with a ctx that ends with the server. It reports false where the server has
// ended.
func (t *tasks) start(f func(ctx context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.running.Go(func() { f(t.ctx) }) // awaited by end
	}
	return !t.ended
}

// end tells every task to end and returns when all have, or with ctx's error when that took too long.
func (t *tasks) end(ctx context.Context) error {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.cancel()
	gone := make(chan struct{})
	go func() { // ends with the tasks
		t.running.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
