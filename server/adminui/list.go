package adminui

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"signalbox/server/app"
	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/socketio"
)

const (
	// MaxListed is how many sockets a page is told of. Of more it is told of some, always the same ones; figures count all.
	MaxListed = 10_000
	// maxWhole is up to how many sockets are listed with the headers and the query of their requests.
	maxWhole = 1000
	// maxSample and maxSampleBytes bound the sockets of another node in a list that has not room for all.
	maxSample, maxSampleBytes = 400, hub.MaxAnswerBytes / 2
	// listTimeout bounds waiting for the sockets of other servers.
	listTimeout = 3 * time.Second
	// listPause, where they are long longListPause, is between two lists that are sent because something was not told.
	listPause, longListPause = 10 * time.Second, time.Minute
)

// everybody is the share of sockets that are told of where that is all of them.
const everybody = math.MaxUint32

// shareOf returns the share of so many sockets that most of are told of.
func shareOf(sockets, most int) uint32 {
	if sockets <= most {
		return everybody
	}
	return uint32(everybody / float64(sockets) * float64(most))
}

// among reports whether a socket is in a share.
func among(id string, share uint32) bool {
	return share == everybody || uint32(maphash.String(seed, id)) <= share
}

var seed = maphash.MakeSeed()

// socket is a socket as the page knows it.
type socket struct {
	ID        string                     `json:"id"`
	ClientID  string                     `json:"clientId"`
	Transport string                     `json:"transport"`
	Namespace string                     `json:"nsp"`
	Data      map[string]json.RawMessage `json:"data"`
	Handshake handshake                  `json:"handshake"`
	Rooms     []string                   `json:"rooms"`
}

type handshake struct {
	Address string         `json:"address"`
	Headers map[string]any `json:"headers"`
	Query   map[string]any `json:"query"`
	Issued  int64          `json:"issued"`
	Secure  bool           `json:"secure"`
	Time    string         `json:"time"`
	URL     string         `json:"url"`
	Xdomain bool           `json:"xdomain"`
}

// describe makes of what servers tell each other what the page is told: without secrets, and without what the page can do
// without where whole is false.
func describe(namespace string, s format.Socket, whole bool) socket {
	out := socket{ID: s.ID, Namespace: namespace, Data: map[string]json.RawMessage{}, Rooms: s.Rooms}
	_ = json.Unmarshal(s.Data, &out.Data) // what is no object has no members
	if admin, ok := out.Data["_admin"]; ok {
		var client struct{ ClientID, Transport string }
		_ = json.Unmarshal(admin, &client) // as above
		out.ClientID, out.Transport = client.ClientID, client.Transport
		delete(out.Data, "_admin")
	}
	h := &out.Handshake
	_ = json.Unmarshal(s.Handshake, h) // a server of another kind may leave out what it likes
	if h.Issued <= 0 {
		h.Issued = 1 // the page wants a time
	}
	if !whole {
		h.Headers, h.Query, h.Time, h.URL = nil, nil, "", ""
	}
	maps.DeleteFunc(h.Headers, func(name string, _ any) bool { return socketio.IsSecret(name) })
	query := len(h.Query)
	maps.DeleteFunc(h.Query, func(name string, value any) bool {
		text, _ := value.(string)
		return socketio.IsSecret(name, text)
	})
	if len(h.Query) < query {
		h.URL, _, _ = strings.Cut(h.URL, "?")
	}
	if h.Headers == nil {
		h.Headers = map[string]any{}
	}
	if h.Query == nil {
		h.Query = map[string]any{}
	}
	if out.Rooms == nil {
		out.Rooms = []string{}
	}
	return out
}

// names returns what rooms are called in a namespace, each once.
func (a *Admin) names(namespace string, rooms []hub.Room) []string {
	names := make([]string, 0, len(rooms))
	for _, r := range rooms {
		if name, ok := a.name(namespace, r); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// name returns what a room is called; false: it is none of the namespace's.
func (a *Admin) name(namespace string, r hub.Room) (string, bool) {
	place, name := a.o.Hub.Names.Of(r)
	return name, place == namespace && r.Kind != hub.KindEverybody
}

// here calls yield with the sockets of this server that are in a share.
func (a *Admin) here(share uint32, whole bool) iter.Seq[socket] {
	return func(yield func(socket) bool) {
		for _, namespace := range a.door.Namespaces() {
			for _, m := range a.o.Hub.Members(hub.EverybodyRoom(namespace)) {
				client, ok := m.Sink().(socketio.Watched)
				if !ok || client.Namespace() != namespace || !among(m.ID(), share) {
					continue
				}
				s := client.Describe()
				s.Rooms = a.names(namespace, m.Rooms())
				if !yield(describe(namespace, s, whole)) {
					return
				}
			}
		}
	}
}

// count returns how many sockets this server has.
func (a *Admin) count() (n int) {
	for _, namespace := range a.door.Namespaces() {
		n += a.o.Hub.Count(hub.EverybodyRoom(namespace))
	}
	return n
}

// question is what nodes ask each other for a list: how many sockets they have, and for some of them.
type question struct {
	Sample bool `json:"sample,omitempty"`
}

type answer struct {
	Count   int               `json:"count"`
	Sockets []json.RawMessage `json:"sockets,omitempty"`
}

// answer answers another node.
func (a *Admin) answer(q question) any {
	out := answer{Count: a.count()}
	if q.Sample {
		l := list{most: maxSample, bytes: maxSampleBytes}
		l.collect(a.here(shareOf(out.Count, maxSample), false))
		out.Sockets = l.sockets
	}
	return out
}

// list is sockets as JSON, for which there is room up to a number and a size.
type list struct {
	sockets     []json.RawMessage
	most, bytes int
}

// add reports whether there was room.
func (l *list) add(raw json.RawMessage) bool {
	if l.bytes -= len(raw) + 1; l.bytes < 0 || len(l.sockets) == l.most {
		return false
	}
	l.sockets = append(l.sockets, raw)
	return true
}

func (l *list) collect(sockets iter.Seq[socket]) {
	for s := range sockets {
		raw, err := rawjson.Marshal(s)
		if err == nil && !l.add(raw) { // there is no error: it is JSON that was checked
			return
		}
	}
}

// list sends a page all sockets of all servers, or as many as it may have. What happens meanwhile is delivered behind it.
func (a *Admin) list(p app.Peer) {
	p.DeferDelivery()
	defer p.ResumeDelivery(nil)
	ctx, cancel := context.WithTimeout(a.ctx, listTimeout)
	defer cancel()
	total := a.count()
	hub.Ask(ctx, a.o.Nodes, topic, question{}, func(r answer) { total += r.Count })
	l := list{sockets: []json.RawMessage{}, most: a.most, bytes: a.o.ListBytes}
	l.collect(a.here(shareOf(total, a.most), total <= maxWhole))
	if total <= a.most {
		l.collect(a.elsewhereOf(ctx, total <= maxWhole))
	} else {
		hub.Ask(ctx, a.o.Nodes, topic, question{Sample: true}, func(r answer) {
			for _, raw := range r.Sockets {
				l.add(raw)
			}
		})
	}
	_ = p.Emit("all_sockets", l.sockets) // who has gone is told through Close
}

// elsewhereOf calls yield with the sockets of all other servers.
func (a *Admin) elsewhereOf(ctx context.Context, whole bool) iter.Seq[socket] {
	return func(yield func(socket) bool) {
		c, clustered := a.door.Cluster()
		if !clustered {
			return
		}
		namespaces := a.door.Namespaces()
		found := make([][]format.Socket, len(namespaces))
		var asked sync.WaitGroup
		for i, namespace := range namespaces {
			asked.Go(func() { found[i], _ = c.FetchSockets(ctx, namespace, hub.Selection{}) }) // what came is better than nothing
		}
		asked.Wait()
		for i, sockets := range found {
			for _, s := range sockets {
				if !yield(describe(namespaces[i], s, whole)) {
					return
				}
			}
		}
	}
}
