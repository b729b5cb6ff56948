package workers

import "context"

// Await returns when is holds of the figures, and looks whenever a worker comes, claims something or leaves. It reports false
// where ctx is over before.
func (w *Workers) Await(ctx context.Context, is func(Stats) bool) bool {
	for {
		w.mu.RLock()
		changed := w.changed
		w.mu.RUnlock()
		if is(w.Stats()) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
