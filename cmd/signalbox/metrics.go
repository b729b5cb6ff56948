package main

import (
	"signalbox/handlers"
	"signalbox/server"
)

// describeRoot shows what the handlers of "/" have done on /metrics.
func describeRoot(m *server.Metrics, root *handlers.Root) {
	counter := func(name, help string, value func(handlers.Stats) uint64) {
		m.Counter(name, help, func() float64 { return float64(value(root.Stats())) })
	}
	counter("signalbox_broker_joins_total", "Events join of the broker that made a socket one of a user's.", func(s handlers.Stats) uint64 { return s.Joins })
	counter("signalbox_broker_times_total", "Events time of the broker that were answered.", func(s handlers.Stats) uint64 { return s.Times })
	counter("signalbox_broker_relayed_total", "Addressed events of the broker that were relayed.", func(s handlers.Stats) uint64 { return s.Relayed })
	counter("signalbox_broker_delivered_total", "Sockets that relayed events were queued for; those on other nodes are counted where the sender asks for an answer.", func(s handlers.Stats) uint64 { return s.Delivered })
	m.Counters("signalbox_broker_undeliverable_total", "reason", "Events of the broker that delivered nothing, by reason.", func(yield func(string, float64)) {
		for reason, n := range root.Stats().Undeliverable {
			yield(reason.Label(), float64(n))
		}
	})
	counter("signalbox_chat_logins_total", "Users who logged in to a chat room.", func(s handlers.Stats) uint64 { return s.Logins })
	counter("signalbox_chat_logins_refused_total", "Logins that were answered with an error.", func(s handlers.Stats) uint64 { return s.LoginsRefused })
	counter("signalbox_chat_logouts_total", "Users who logged out, those who disconnected among them.", func(s handlers.Stats) uint64 { return s.Logouts })
	counter("signalbox_chat_returns_total", "Logins that took over, unnoticed, the place of a user whose node is leaving the cluster.", func(s handlers.Stats) uint64 { return s.Returns })
	counter("signalbox_chat_released_total", "Chat users of nodes that have died, whose rooms this node has told.", func(s handlers.Stats) uint64 { return s.Released })
	counter("signalbox_chat_messages_total", "Messages sent to chat rooms.", func(s handlers.Stats) uint64 { return s.RoomMessages })
	counter("signalbox_chat_user_lists_total", "Lists of a room's users that were queued for a socket.", func(s handlers.Stats) uint64 { return s.UserLists })
	counter("signalbox_chat_missing_callbacks_total", "Clients that were disconnected because their event needs a callback.", func(s handlers.Stats) uint64 { return s.MissingCallbacks })
	counter("signalbox_store_errors_total", "Calls of the user store that failed.", func(s handlers.Stats) uint64 { return s.StoreErrors })
}
