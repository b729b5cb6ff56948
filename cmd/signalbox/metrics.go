package main

import (
	"signalbox/handlers/broker"
	"signalbox/handlers/userlist"
	"signalbox/server"
	"signalbox/server/cluster"
)

// describeHandlers shows what the handlers have done on /metrics.
func describeHandlers(m *server.Metrics, s *handlerSet) {
	describeBroker(m, s.broker.Stats())
	describeChat(m, s.chat.Stats())
	rooms, tap, gate := s.rooms.Stats(), s.tap.Stats(), s.gate.Stats()
	m.Count("signalbox_room_messages_total", "Messages that clients of /chat and /ws sent to rooms.", &rooms.Messages)
	m.Count("signalbox_rooms_refused_total", "Events of /chat and messages of /ws that were answered with an error.", &rooms.Refused)
	m.Counter("signalbox_texts_ignored_total", "Messages on plain websockets that were no JSON object, or of no known type.",
		func() float64 { return float64(rooms.Ignored.Load() + s.notification.Ignored()) })
	m.Count("signalbox_tap_messages_total", "Frames of /tap that went on to streams.", &tap.Messages)
	m.Count("signalbox_tap_dropped_total", "Frames of /tap that were dropped: no JSON, or without a connectionId.", &tap.Dropped)
	m.Count("signalbox_history_errors_total", "Calls of the history of rooms that failed.", &rooms.HistoryErrors)
	m.Count("signalbox_history_not_kept_total",
		"Messages that were delivered and not kept: their sender's share of the history was used up.", &rooms.NotKept)
	m.Count("signalbox_unauthorized_total",
		"Clients that were turned away, or cut, for a missing or bad token or ticket.", &gate.Unauthorized)
	m.Count("signalbox_tokens_expired_total", "Connections that ended with their token.", &gate.Expired)
	m.Count("signalbox_tokens_renewed_total", "Connections that went on with a newer token.", &gate.Renewed)
}

// describeBroker shows what was relayed.
func describeBroker(m *server.Metrics, s *broker.Stats) {
	m.Count("signalbox_broker_joins_total", "Events join of the broker that made a socket one of a user's.", &s.Joins)
	m.Count("signalbox_broker_times_total", "Events time of the broker that were answered.", &s.Times)
	m.Count("signalbox_broker_relayed_total", "Addressed events of the broker that were relayed.", &s.Relayed)
	m.Count("signalbox_broker_delivered_total",
		"Sockets that relayed events were queued for; those on other nodes are counted where the sender asks for an answer.", &s.Delivered)
	m.Counters("signalbox_broker_undeliverable_total", "reason", "Events of the broker that delivered nothing, by reason.",
		func(yield func(string, float64)) {
			for reason := range s.Undeliverable {
				yield(broker.Reason(reason).Label(), float64(s.Undeliverable[reason].Load()))
			}
		})
}

// describeChat shows who came and went, and what was told of it.
func describeChat(m *server.Metrics, s *userlist.Stats) {
	m.Count("signalbox_chat_logins_total", "Users who logged in to a chat room.", &s.Logins)
	m.Count("signalbox_chat_logins_refused_total", "Logins that were answered with an error.", &s.LoginsRefused)
	m.Count("signalbox_chat_logouts_total", "Users who logged out, those who disconnected among them.", &s.Logouts)
	m.Count("signalbox_chat_returns_total",
		"Logins that took over, unnoticed, the place of a user whose node is leaving the cluster.", &s.Returns)
	m.Count("signalbox_chat_released_total", "Chat users of nodes that have died, whose rooms this node has told.", &s.Released)
	m.Count("signalbox_chat_messages_total", "Messages sent to chat rooms.", &s.RoomMessages)
	m.Count("signalbox_chat_user_lists_total", "Lists of a room's users that were queued for a socket.", &s.UserLists)
	m.Count("signalbox_chat_missing_callbacks_total",
		"Clients that were disconnected because their event needs a callback.", &s.MissingCallbacks)
	m.Count("signalbox_store_errors_total", "Calls of the user store that failed.", &s.StoreErrors)
}

// describeCluster shows the cluster on /metrics, where there is one.
func describeCluster(m *server.Metrics, c *membership) {
	if c == nil {
		return
	}
	type metric struct {
		name, help string
		value      func(cluster.Stats) float64
	}
	for _, k := range []metric{
		{"signalbox_cluster_published_total", "Messages published for other servers.", func(s cluster.Stats) float64 { return float64(s.Published) }},
		{"signalbox_cluster_unpublished_total", "Messages that could not be published: Redis was away, or too much waited for it.", func(s cluster.Stats) float64 { return float64(s.Lost) }},
		{"signalbox_cluster_unwritable_total", "Messages that cannot be written for other servers.", func(s cluster.Stats) float64 { return float64(s.Unwritable) }},
		{"signalbox_cluster_received_total", "Messages of other servers that were looked at.", func(s cluster.Stats) float64 { return float64(s.Received) }},
		{"signalbox_cluster_passed_total", "Messages of other servers that were put aside unread: to rooms that nobody here is in, and answers that nobody here waits for.", func(s cluster.Stats) float64 { return float64(s.Passed) }},
		{"signalbox_cluster_dropped_total", "Messages on the cluster's channels that could not be read or are too large.", func(s cluster.Stats) float64 { return float64(s.Dropped) }},
		{"signalbox_cluster_overloads_total", "Requests of other servers that were not carried out because too many came at once.", func(s cluster.Stats) float64 { return float64(s.Overloads) }},
		{"signalbox_cluster_requests_total", "Requests of other servers that were carried out.", func(s cluster.Stats) float64 { return float64(s.Requests) }},
		{"signalbox_cluster_timeouts_total", "Requests to other servers that not all of them answered.", func(s cluster.Stats) float64 { return float64(s.Timeouts) }},
		{"signalbox_cluster_panics_total", "Calls of handlers by the cluster that ended in a panic.", func(s cluster.Stats) float64 { return float64(s.Panics) }},
	} {
		m.Counter(k.name, k.help, func() float64 { return k.value(c.cluster.Stats()) })
	}
	for _, g := range []metric{
		{"signalbox_cluster_nodes", "Other signalbox servers in the cluster.", func(s cluster.Stats) float64 { return float64(s.Nodes) }},
		{"signalbox_cluster_suspects", "Other signalbox servers that do not answer.", func(s cluster.Stats) float64 { return float64(s.Suspects) }},
		{"signalbox_cluster_foreign_servers", "Servers in the cluster that are not signalbox.", func(s cluster.Stats) float64 { return float64(s.Foreign) }},
		{"signalbox_cluster_stream_seconds", "With REDIS_MODE=streams: the seconds between the oldest message that the stream keeps and the latest; else -1.", func(s cluster.Stats) float64 { return float64(s.StreamSeconds) }},
	} {
		m.Gauge(g.name, g.help, func() float64 { return g.value(c.cluster.Stats()) })
	}
	m.Gauge("signalbox_redis_up", "1 while Redis answers and everything is subscribed to, else 0.", func() float64 {
		if c.link.Up() {
			return 1
		}
		return 0
	})
	m.Gauge("signalbox_redis_queued_bytes", "What waits to be written to Redis.", func() float64 { return float64(c.link.Stats().QueuedBytes) })
	m.Counter("signalbox_redis_lost_total", "Commands to Redis that were given up: it was away, or too much waited.", func() float64 { return float64(c.link.Stats().Lost) })
	m.Counter("signalbox_redis_downs_total", "Times that Redis went away.", func() float64 { return float64(c.link.Stats().Downs) })
}
