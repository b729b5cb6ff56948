package ticketed

import (
	"sync"
	"time"
)

// every calls do at an interval, on the goroutine of a timer and one call after the other, until stop is called.
func every(interval time.Duration, do func()) (stop func()) {
	var mu sync.Mutex
	over := false
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(interval, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			do()
			timer.Reset(interval)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		timer.Stop()
	}
}
