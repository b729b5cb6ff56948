package sqlite

import (
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/storetest"
)

func TestHistory(t *testing.T) {
	for name, options := range map[string]Options{
		"with the defaults":         {},
		"with hardly any memory":    {Cache: store.HistoryLimits{RoomMessages: 3, Messages: 5}, FlushInterval: time.Microsecond},
		"with memory for all of it": {Cache: store.HistoryLimits{RoomMessages: 1000}, FlushInterval: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.TestHistory(t, func(t *testing.T, limits store.HistoryLimits) store.History {
				options := options
				options.Limits, options.usedInterval = limits, 1
				return openHistory(t, options)
			})
		})
	}
}
