package sqlite

import (
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/storetest"
)

func TestHistory(t *testing.T) {
	for name, options := range map[string]Options{
		"written at once":      {FlushInterval: time.Microsecond},
		"written now and then": {FlushInterval: 20 * time.Millisecond},
		"written in the end":   {FlushInterval: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits for the disk
			storetest.TestHistory(t, func(t *testing.T, limits store.HistoryLimits) store.History {
				options := options
				options.Limits = limits
				return openHistory(t, options)
			})
		})
	}
}
