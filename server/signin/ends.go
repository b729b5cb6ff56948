package signin

import "time"

// dropOver takes what ended by now out of ends. Where that leaves limit entries or more, the one that ends first goes too,
// so there is room for one more.
func dropOver[K comparable](ends map[K]time.Time, now time.Time, limit int) {
	var next K
	var first time.Time
	for key, end := range ends {
		if !now.Before(end) {
			delete(ends, key)
		} else if first.IsZero() || end.Before(first) {
			next, first = key, end
		}
	}
	if len(ends) >= limit {
		delete(ends, next)
	}
}
