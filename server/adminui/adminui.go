package adminui

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/signin"
	"signalbox/server/socketio"
)

// Namespace is where the page connects to.
const Namespace = "/admin"

const (
	// beat is how often each server tells its figures.
	beat = 2 * time.Second
	// lookEvery is after how many beats a server looks again whether somebody has signed in at another one.
	lookEvery = 2
	// attention is for how long it is taken to be so.
	attention = 4 * beat
	// topic is what nodes tell each other that somebody has signed in by, or that lists have to be sent anew.
	topic = "adminui"
)

// Options are what an admin namespace is made of. User, Hash, Hub, Nodes and Log are needed.
type Options struct {
	// User and Hash, of bcrypt, are what whoever signs in has to know.
	User, Hash string
	// ReadOnly takes no commands.
	ReadOnly bool
	// Development tells of every socket, room and event.
	Development bool
	// Closed are namespaces whose events are not told of and that take no commands.
	Closed []string
	Hub    *hub.Hub
	Nodes  hub.Nodes
	// Shared keeps sign-ins for all servers; nil: this one is alone.
	Shared Shared
	// ListBytes bounds a list of sockets; 0: 3 MB.
	ListBytes int
	Log       *slog.Logger
}

// account is what whoever signs in has to know.
type account struct{ user, hash string }

// Door is the Socket.IO server as commands and figures need it: a [socketio.Server].
type Door interface {
	Namespaces() []string
	Cluster() (c socketio.Cluster, clustered bool)
	JoinHere(namespace string, sel hub.Selection, rooms []string)
	LeaveHere(namespace string, sel hub.Selection, rooms []string)
	DisconnectHere(namespace string, sel hub.Selection, closeConnection bool)
}

// Admin is the namespace. Make it with [New], then Start it before the first client comes; Close ends it.
type Admin struct {
	// Static after construction.
	o      Options
	most   int             // sockets that pages are told of
	config json.RawMessage // what a page is told that it may do
	server identity

	// Set by Start.
	door   Door
	engine func() engine.Stats

	account  atomic.Pointer[account]
	failures signin.Failures
	sessions signin.Sessions
	turns    chan struct{} // held while a password is checked
	waiting  atomic.Int32  // for turns

	listened  atomic.Bool  // somebody is signed in, here or elsewhere
	elsewhere atomic.Int64 // until when that is taken to be so of other servers, in nanoseconds since 1970
	looking   atomic.Bool  // other servers are being asked
	dropped   atomic.Bool  // something was not told
	stale     atomic.Bool  // so that lists have to be sent anew, here or at another node
	share     atomic.Uint32
	wake      chan struct{}
	queue     chan func()
	figures   figures

	mu sync.Mutex
	// mu guards the following.
	pages         map[app.Peer]struct{} // those that are signed in here
	changes, talk conn.Bucket

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// identity is how a server is known to the page.
type identity struct {
	ServerID string `json:"serverId"`
	Hostname string `json:"hostname"`
	PID      int    `json:"pid"`
}

// New returns a namespace that has not been started.
func New(o Options) *Admin {
	features := []string{"AGGREGATED_EVENTS"}
	if !o.ReadOnly {
		features = append([]string{"EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"}, features...)
	}
	if o.Development {
		features = append(features, "ALL_EVENTS")
	}
	if o.ListBytes == 0 {
		o.ListBytes = 3_000_000
	}
	host, _ := os.Hostname() // "" is a name too
	pid := os.Getpid()
	a := &Admin{
		o: o, most: MaxListed, server: identity{fmt.Sprintf("%s#%d", host, pid), host, pid},
		sessions: signin.Sessions{Life: sessionLife}, turns: make(chan struct{}, checksAtOnce),
		wake: make(chan struct{}, 1), queue: make(chan func(), queued), pages: make(map[app.Peer]struct{}),
		figures: figures{began: time.Now(), known: make(map[string]bool)},
	}
	a.account.Store(&account{o.User, o.Hash})
	a.o.Closed = append([]string{Namespace}, o.Closed...) // to tell of what is told would never end
	a.share.Store(everybody)
	a.config, _ = rawjson.Marshal(map[string]any{"supportedFeatures": features}) // texts always can be
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// SetAccount has pages that sign in from now on know another user and password. Sign-ins of before are over, but those that
// servers share.
func (a *Admin) SetAccount(user, hash string) {
	if old := a.account.Swap(&account{user, hash}); *old != (account{user, hash}) {
		a.sessions.EndAll()
	}
}

// Watches reports whether it is to hear what happens to clients: it is a [socketio.Watch] then.
func (a *Admin) Watches() bool { return a.o.Development }

// Start begins to serve. stats reads the counters of the engine.
func (a *Admin) Start(door Door, stats func() engine.Stats) {
	a.door, a.engine = door, stats
	a.o.Nodes.OnTell(topic, a.told)
	hub.Answer(a.o.Nodes, topic, a.answer)
	a.running.Go(a.run) // awaited by Close
}

// Close ends it. It is called when the last client has gone.
func (a *Admin) Close() {
	a.cancel()
	a.running.Wait()
}

// run tells what happens, in order, and figures.
func (a *Admin) run() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for beats := 0; ; {
		select {
		case <-a.ctx.Done():
			return
		case f := <-a.queue:
			f()
		case <-a.wake:
			a.beat()
		case <-ticker.C:
			if beats++; beats%lookEvery == 0 {
				a.look()
			}
			a.beat()
		}
	}
}

// beat sends figures, where somebody wants to know.
func (a *Admin) beat() {
	now := time.Now()
	here := a.signedIn()
	listened := here || now.UnixNano() < a.elsewhere.Load()
	a.listened.Store(listened)
	if !listened {
		a.figures.last = nil
		return
	}
	a.tellStats(now)
	if a.dropped.Swap(false) {
		a.o.Nodes.Tell(topic, []byte(tellStale))
		a.stale.Store(true)
	}
	if here && a.stale.Load() {
		a.refresh(now)
	}
}

// signedIn reports whether somebody has signed in here.
func (a *Admin) signedIn() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.pages) > 0
}

// look asks other servers, Node's among them, whether somebody is signed in there. It does not wait.
func (a *Admin) look() {
	c, clustered := a.door.Cluster()
	if !clustered || a.signedIn() || a.looking.Swap(true) {
		return
	}
	a.running.Go(func() { // awaited by Close
		defer a.looking.Store(false)
		ctx, cancel := context.WithTimeout(a.ctx, beat)
		defer cancel()
		if pages, _ := c.FetchSockets(ctx, Namespace, hub.Selection{}); len(pages) > 0 {
			a.attend()
		}
	})
}

// attend takes somebody to be signed in at another server, for a while.
func (a *Admin) attend() {
	a.elsewhere.Store(time.Now().Add(attention).UnixNano())
	if !a.listened.Swap(true) {
		a.hurry()
	}
}

// hurry has figures told at once.
func (a *Admin) hurry() {
	select {
	case a.wake <- struct{}{}:
	default: // run is about to
	}
}

// What nodes tell each other.
const (
	tellSignedIn = "signed in"
	tellStale    = "stale"
)

// told takes what another node tells. It runs where messages of the cluster are received.
func (a *Admin) told(body []byte) {
	switch string(body) {
	case tellSignedIn:
		a.attend()
	case tellStale:
		a.stale.Store(true)
	}
}

// tell sends an event to everybody who is signed in, on all servers.
func (a *Admin) tell(attachments [][]byte, event string, args ...any) {
	msg := &hub.Message{Namespace: Namespace, Event: event, Attachments: attachments}
	for _, arg := range args {
		raw, err := rawjson.Marshal(arg)
		if err != nil { // never: texts, numbers, and JSON that was checked
			a.o.Log.Error("the admin UI cannot be told", "event", event, "error", err)
			return
		}
		msg.Args = append(msg.Args, raw)
	}
	a.o.Hub.Send(hub.EverybodyRoom(Namespace), msg)
}

// timestamp writes a time as JSON has a JavaScript date.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// refresh sends lists anew where something was not told, but not all the time: what is told meanwhile is most of it.
func (a *Admin) refresh(now time.Time) {
	pause := listPause
	if a.count() > maxWhole {
		pause = longListPause
	}
	if now.Sub(a.figures.listed) < pause {
		return
	}
	a.figures.listed = now
	a.stale.Store(false)
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range a.pages {
		a.running.Go(func() { a.list(p) }) // awaited by Close
	}
}
