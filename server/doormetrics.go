package server

import (
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/socketio"
)

// describeEngine shows what connections did.
func describeEngine(m *Metrics, stats func() engine.Stats) {
	counter := CountersOf(m, stats)
	m.Gauges("signalbox_connections", "kind", "Connections open now: Socket.IO by transport, plain websockets, event streams.", func(yield func(string, float64)) {
		s := stats()
		yield("polling", float64(s.PollingSessions))
		yield("websocket", float64(s.WebSocketSessions))
		yield("plain_websocket", float64(s.WebSockets))
		yield("stream", float64(s.Streams))
	})
	m.Counters("signalbox_connections_opened_total", "kind", "Connections that were opened.", func(yield func(string, float64)) {
		s := stats()
		yield("socketio", float64(s.SessionsOpened))
		yield("plain_websocket", float64(s.WebSocketsOpened))
		yield("stream", float64(s.StreamsOpened))
	})
	m.Counters("signalbox_connections_closed_total", "reason", "Connections that ended, by reason.", func(yield func(string, float64)) {
		for reason, n := range stats().Closed {
			yield(reason.String(), float64(n))
		}
	})
	m.Counters("signalbox_connections_refused_total", "cause", "Requests for a connection that were refused, by cause: limits, rate, origin, broken requests.", func(yield func(string, float64)) {
		for cause, n := range stats().Refused {
			yield(cause, float64(n))
		}
	})
	m.Gauge("signalbox_outbox_bytes", "Bytes that wait to be sent, for all clients together.", func() float64 { return float64(stats().OutboxBytes) })
	counter("signalbox_packets_received_total", "Packets from clients, heartbeats among them.", func(s engine.Stats) uint64 { return s.PacketsIn })
	counter("signalbox_packets_sent_total", "Packets to clients, heartbeats among them.", func(s engine.Stats) uint64 { return s.PacketsOut })
	counter("signalbox_received_bytes_total", "Bytes from clients; of messages that were compressed what they inflate to.", func(s engine.Stats) uint64 { return s.BytesIn })
	counter("signalbox_sent_bytes_total", "Bytes to clients.", func(s engine.Stats) uint64 { return s.BytesOut })
	counter("signalbox_compressions_total", "Messages that were compressed, each once for all its clients; see COMPRESS_BYTES.", func(s engine.Stats) uint64 { return s.Compressed })
	counter("signalbox_upgrades_total", "Upgrades from polling to websocket.", func(s engine.Stats) uint64 { return s.Upgrades })
	counter("signalbox_upgrades_failed_total", "Upgrades that were begun and not finished.", func(s engine.Stats) uint64 { return s.UpgradesFailed })
	counter("signalbox_slow_clients_total", "Clients that were disconnected over MAX_OUTBOX_BYTES or WRITE_TIMEOUT.", func(s engine.Stats) uint64 { return s.SlowClients })
	counter("signalbox_volatile_dropped_total", "Volatile messages that were dropped for a client that was not ready.", func(s engine.Stats) uint64 { return s.VolatileDropped })
	counter("signalbox_writes_total", "Write calls on websockets and streams; packets sent over writes is how well bursts coalesce.", func(s engine.Stats) uint64 { return s.FlushWrites })
	counter("signalbox_writes_blocked_total", "Writes of which the kernel took less than was offered.", func(s engine.Stats) uint64 { return s.BlockedWrites })
}

// describeSocketIO shows what came through the connections.
func describeSocketIO(m *Metrics, stats func() socketio.Stats) {
	counter := CountersOf(m, stats)
	m.Gauge("signalbox_sockets", "Clients in namespaces now; one connection may have several.", func() float64 { return float64(stats().Sockets) })
	counter("signalbox_events_received_total", "Events that were given to handlers.", func(s socketio.Stats) uint64 { return s.EventsIn })
	counter("signalbox_events_throttled_total", "Events that had to wait for MAX_EVENTS_PER_SECOND.", func(s socketio.Stats) uint64 { return s.Throttled })
	counter("signalbox_packets_refused_total", "Packets that ended their sender's connection.", func(s socketio.Stats) uint64 { return s.BadPackets })
	counter("signalbox_namespaces_refused_total", "CONNECTs over MAX_NAMESPACES_PER_CLIENT.", func(s socketio.Stats) uint64 { return s.NamespacesRefused })
	counter("signalbox_handler_panics_total", "Events whose handler panicked; each ended its sender's connection.", func(s socketio.Stats) uint64 { return s.Panics })
	m.Histogram("signalbox_event_seconds", "How long events were with their handlers.", func() Distribution {
		l := stats().Latency
		return Distribution{Count: l.Count, Sum: l.Sum.Seconds(), Buckets: l.Buckets}
	})
}

// describeRecovery shows what came of clients that were cut.
func describeRecovery(m *Metrics, store *recovery.Store) {
	stats := func() recovery.Stats {
		if store == nil {
			return recovery.Stats{}
		}
		return store.Stats()
	}
	gauge := GaugesOf[recovery.Stats, int64](m, stats)
	each := func(name, label, help string, value func(recovery.Stats) map[string]uint64) {
		m.Counters(name, label, help, func(yield func(string, float64)) {
			for reason, n := range value(stats()) {
				yield(reason, float64(n))
			}
		})
	}
	m.Counter("signalbox_recoveries_total", "Clients that came back as they were after a cut.", func() float64 { return float64(stats().Recovered) })
	each("signalbox_recoveries_failed_total", "reason", "Clients that wanted to come back and are new ones: unknown (the session has ended, or is not here), token, position (what they got last is not known), trimmed (what they missed is not kept any more), too much (more than MAX_OUTBOX_BYTES), nodes (another server of the cluster has, or may have, the session and did not hand it over in time).",
		func(s recovery.Stats) map[string]uint64 { return s.Failed })
	each("signalbox_recovery_sessions_ended_total", "reason", "Sessions that ended while their client was away: time (RECOVERY_TIME), bytes (RECOVERY_BYTES), address (MAX_CONNECTIONS_PER_IP), closed (the server stopped), moved (another server has the client).",
		func(s recovery.Stats) map[string]uint64 { return s.Ended })
	gauge("signalbox_recovery_sessions_away", "Sessions whose client is away now.", func(s recovery.Stats) int64 { return int64(s.Away) })
	gauge("signalbox_recovery_messages", "Messages kept for clients that come back.", func(s recovery.Stats) int64 { return int64(s.Messages) })
	gauge("signalbox_recovery_bytes", "What sessions and messages kept for them take, of RECOVERY_BYTES.", func(s recovery.Stats) int64 { return s.Bytes })
}

// describeHub shows how many rooms there are.
func describeHub(m *Metrics, h *hub.Hub) {
	m.Gauges("signalbox_rooms", "kind", "Rooms with members now, by what they stand for.", func(yield func(string, float64)) {
		for kind, n := range h.Counts() {
			yield(kind.String(), float64(n))
		}
	})
	m.Counter("signalbox_joins_refused_total", "Joins over MAX_ROOMS_PER_CLIENT.", func() float64 { return float64(h.RefusedJoins()) })
}
