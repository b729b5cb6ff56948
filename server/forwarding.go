package server

import (
	"strings"

	"signalbox/config"
	"signalbox/server/forward"
	"signalbox/server/socketio"
)

// newForwarder returns what passes requests on to other servers, and shows it; nil: nothing does.
func newForwarder(o Options, door *socketio.Server, m *Metrics) *forward.Forwarder {
	if o.Cluster == nil || !o.Config.Forwards() {
		return nil
	}
	f := forward.New(forward.Options{
		ID:       o.Cluster.ID(),
		Nodes:    o.Cluster,
		Key:      o.ForwardKey,
		Path:     socketPath,
		Serves:   func(path string) bool { return isSocketPath(o.Config.SocketIOPaths, path) },
		ClientIP: clientIP(proxiesOf(o.Config)),
		PollTime: o.Config.PingInterval + o.Config.PingTimeout,
		BodyTime: o.Config.BodyReadTimeout,
		Max:      maxForwarded(),
		Log:      o.Log,
	}, door.Engine(), door.Conns())
	m.Gauge("signalbox_forwarding", "Requests for sessions of other servers that are being passed on, with NODE_URL.", func() float64 { return float64(f.Stats().Open) })
	for _, c := range []struct {
		name, help string
		value      func(forward.Stats) uint64
	}{
		{"signalbox_forwarded_total", "Requests for sessions of other servers that were passed on to them.", func(s forward.Stats) uint64 { return s.Passed }},
		{"signalbox_forward_failures_total", "Requests that were passed on and not answered: the other server is gone, or too slow.", func(s forward.Stats) uint64 { return s.Failed }},
		{"signalbox_forwards_received_total", "Requests for sessions of this server that others have passed on.", func(s forward.Stats) uint64 { return s.Received }},
		{"signalbox_forwards_forged_total", "Requests that were refused: they say that a server has passed them on, and none has, or not once.", func(s forward.Stats) uint64 { return s.Forged }},
	} {
		m.Counter(c.name, c.help, func() float64 { return float64(c.value(f.Stats())) })
	}
	return f
}

// isSocketPath reports whether Socket.IO is served at a path: at its own, at others of SOCKETIO_PATHS, or below one of
// them.
func isSocketPath(others config.Paths, path string) bool {
	for _, p := range append(config.Paths{config.SocketPath}, others...) {
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}
