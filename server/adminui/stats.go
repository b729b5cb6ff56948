package adminui

import (
	"slices"
	"time"

	"signalbox/server/engine"
	"signalbox/server/hub"
)

// maxNamespaces bounds how many namespaces figures are told of: clients may bring some into being by name.
const maxNamespaces = 1000

// figures are what is kept from one telling to the next. The goroutine of run alone uses them.
type figures struct {
	began time.Time
	last  *engine.Stats // nil: nobody has listened
	names []string      // of namespaces, in the order in which they are told
	known map[string]bool

	listed time.Time // when pages were last sent a list anew
}

// serverStats is what a server tells of itself.
type serverStats struct {
	identity
	Uptime         float64     `json:"uptime"`
	Clients        int64       `json:"clientsCount"`
	PollingClients int64       `json:"pollingClientsCount"`
	Events         []counted   `json:"aggregatedEvents"`
	Namespaces     []namespace `json:"namespaces"`
}

type namespace struct {
	Name    string `json:"name"`
	Sockets int    `json:"socketsCount"`
}

// counted is how often something happened since the last time.
type counted struct {
	Timestamp int64  `json:"timestamp"`
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     uint64 `json:"count"`
}

// tellStats tells the figures of now.
//
// Rule: the page merges lists by place, so namespaces keep theirs, and those that are gone stay with no sockets.
func (a *Admin) tellStats(now time.Time) {
	f := &a.figures
	fresh := a.door.Namespaces()
	slices.Sort(fresh)
	for _, name := range fresh {
		if !f.known[name] && len(f.names) < maxNamespaces {
			f.known[name] = true
			f.names = append(f.names, name)
		}
	}
	stats := a.engine()
	told := serverStats{
		identity: a.server, Uptime: now.Sub(f.began).Seconds(),
		Clients: stats.PollingSessions + stats.WebSocketSessions, PollingClients: stats.PollingSessions,
		Events: f.since(stats, now), Namespaces: make([]namespace, len(f.names)),
	}
	here := 0
	for i, name := range f.names {
		n := a.o.Hub.Count(hub.EverybodyRoom(name))
		told.Namespaces[i] = namespace{name, n}
		here += n
	}
	a.share.Store(shareOf(here, a.most))
	a.tell(nil, "server_stats", told)
}

// since returns what has been counted since the last call.
func (f *figures) since(stats engine.Stats, now time.Time) []counted {
	events := []counted{}
	last := f.last
	f.last = &stats
	if last == nil {
		return events
	}
	second := now.Truncate(time.Second).UnixMilli()
	add := func(kind, subType string, now, before uint64) {
		if now > before {
			events = append(events, counted{second, kind, subType, now - before})
		}
	}
	add("rawConnection", "", stats.SessionsOpened, last.SessionsOpened)
	for reason := range stats.Closed {
		add("rawDisconnection", reason.String(), stats.Closed[reason], last.Closed[reason])
	}
	add("packetsIn", "", stats.PacketsIn, last.PacketsIn)
	add("packetsOut", "", stats.PacketsOut, last.PacketsOut)
	add("bytesIn", "", stats.BytesIn, last.BytesIn)
	add("bytesOut", "", stats.BytesOut, last.BytesOut)
	return events
}
