package sqlite

import (
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/storetest"
)

func TestHistory(t *testing.T) {
	for name, options := range map[string]Options{
		"merged at once":            {FlushInterval: time.Microsecond, mergeInterval: 1},
		"with hardly any memory":    {FlushInterval: time.Microsecond, mergeInterval: 1, Cache: store.HistoryLimits{RoomMessages: 3, Messages: 5}},
		"merged now and then":       {FlushInterval: time.Millisecond, mergeInterval: 20 * time.Millisecond},
		"with memory for all of it": {mergeInterval: 300 * time.Millisecond, Cache: store.HistoryLimits{RoomMessages: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits for the disk
			storetest.TestHistory(t, func(t *testing.T, limits store.HistoryLimits) store.History {
				options := options
				options.Limits, options.usedInterval = limits, 1
				return openHistory(t, options)
			})
		})
	}
}
