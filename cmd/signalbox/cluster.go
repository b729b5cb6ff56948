package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"signalbox/config"
	"signalbox/handlers/publish"
	"signalbox/server"
	"signalbox/server/cluster"
	"signalbox/server/hub"
	"signalbox/store"
	"signalbox/store/redis"
	"signalbox/store/redislink"
)

// leaveTimeout bounds telling Redis that this server stops, or has stopped.
const leaveTimeout = 2 * time.Second

// topicGone tells the other nodes which one is gone for good.
const topicGone = "gone"

// clusterParts is what makes this server one of several.
type clusterParts struct {
	id      string
	link    *redislink.Link
	cluster *cluster.Cluster
	users   *redis.Users
	node    *redis.Node
	grace   time.Duration
	log     *slog.Logger

	// Set by serve, before ready is closed.
	handlers *handlerSet
	ready    chan struct{}

	back      chan struct{}   // Redis is there, or back
	ctx       context.Context // ends when the server leaves the cluster
	unfollow  context.CancelFunc
	following sync.WaitGroup // the goroutine of follow
}

// openCluster connects this server with the others; nil where REDIS_URL names nothing to do so. Redis need not be there: the
// server then is alone until it is.
func openCluster(cfg config.Config, h *hub.Hub, log *slog.Logger) (*clusterParts, error) {
	if !cfg.Clustered() {
		return nil, nil
	}
	l, err := redislink.Open(redislink.Options{URL: string(cfg.RedisURL), InsecureTLS: cfg.InsecureRedis(), Log: log})
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	id := cluster.NewNodeID()
	p := &clusterParts{
		id: id, link: l, grace: cfg.DrainDelay + cfg.Spread() + cfg.HandoverGrace, log: log, ready: make(chan struct{}),
		back: make(chan struct{}, 1),
	}
	p.cluster = cluster.New(cluster.Options{
		Link: l, Hub: h, Prefix: cfg.RedisPrefix, Sharded: cfg.RedisMode == "sharded", NodeID: id,
		MaxPayload: int(cfg.MaxPayloadBytes), Log: log,
		// Nothing comes before the server starts, and that has the handlers.
		OnPlain:   func(channel string, payload []byte) error { return p.handlers.publisher.Receive(channel, payload) },
		Translate: func(room hub.Room, msg *hub.Message) { p.handlers.rooms.TranslateForeign(room, msg) },
	})
	p.ctx, p.unfollow = context.WithCancel(context.Background())
	p.users = redis.NewUsers(l, cfg.RedisPrefix, id, p.repaired)
	p.cluster.OnTell(topicGone, func(body []byte) { p.cluster.Forget(string(body)) })
	p.node = redis.OpenNode(redis.NodeOptions{
		Link: l, Prefix: cfg.RedisPrefix, ID: id, Log: log,
		OnDead: p.inherit, OnReturn: p.returned, OnLeaving: p.leaving,
	})
	p.following.Go(func() { p.follow(p.ctx) }) // awaited by stop
	l.OnState(func(up bool) {
		if up {
			select {
			case p.back <- struct{}{}:
			default: // follow is about to look
			}
		}
	})
	return p, nil
}

// follow brings the users of this server, and the lists that clients here have, up to date each time Redis is back: what the
// others told meanwhile did not come.
func (p *clusterParts) follow(ctx context.Context) {
	if !p.awaited(ctx) {
		return
	}
	var unpublished uint64
	for {
		select {
		case <-p.back:
			if n := p.cluster.Stats().Lost; n > unpublished {
				p.log.Warn("messages did not reach other servers", "messages", n-unpublished)
				unpublished = n
			}
			p.returned(ctx, false)
		case <-ctx.Done():
			return
		}
	}
}

// The methods of a nil clusterParts are those of a server that is alone.

// bus returns the cluster for the server; nil: there is none.
func (p *clusterParts) bus() *cluster.Cluster {
	if p == nil {
		return nil
	}
	return p.cluster
}

// nodes returns the other nodes for handlers.
func (p *clusterParts) nodes() hub.Nodes {
	if p == nil {
		return hub.Alone
	}
	return p.cluster
}

// run names this process among the nodes.
func (p *clusterParts) run() string {
	if p == nil {
		return ""
	}
	return p.id
}

// channels returns where publishing reaches other programs.
func (p *clusterParts) channels() publish.Channels {
	if p == nil {
		return nil
	}
	return p.cluster
}

// abandon ends a cluster that no server will be part of.
func (p *clusterParts) abandon() {
	if p != nil {
		p.stop()
		p.link.Close()
	}
}

// serve gives the cluster its handlers. It is called once, before the server starts.
func (p *clusterParts) serve(s *handlerSet) {
	if p == nil {
		return
	}
	p.handlers = s
	close(p.ready)
}

// awaited reports whether the handlers are there; false: ctx is over first.
func (p *clusterParts) awaited(ctx context.Context) bool {
	select {
	case <-p.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// inherit carries out what a node has left behind: it died, or the time is over in which its users could come back.
func (p *clusterParts) inherit(ctx context.Context, node string, wills []store.Will) {
	if !p.awaited(ctx) {
		return
	}
	p.cluster.Forget(node)
	p.cluster.Tell(topicGone, []byte(node)) // the others would wait for its answers a while longer
	users, err := p.users.Release(ctx, node)
	if err != nil {
		p.log.Warn("users of a server that is gone could not be taken out", "error", err)
	}
	if len(users)+len(wills) > 0 {
		p.log.Info("another server is gone", "users", len(users), "memberships", len(wills))
	}
	p.handlers.chat.Release(ctx, users)
	p.handlers.carryOut(ctx, node, wills)
}

// returned is called when Redis is back, and when it knows this node again, which it had forgotten or the others had declared
// dead.
func (p *clusterParts) returned(ctx context.Context, declaredDead bool) {
	if !p.awaited(ctx) {
		return
	}
	if err := p.users.Repair(ctx); err != nil {
		p.log.Warn("users of this server could not be written to redis again", "error", err)
	}
	p.handlers.chat.Returned(ctx, declaredDead)
	if declaredDead {
		p.handlers.rooms.Returned(ctx)
	}
}

// repaired is called when Redis has what is true of some rooms, which may have been told something else.
func (p *clusterParts) repaired(rooms []string) {
	if p.awaited(p.ctx) {
		p.handlers.chat.Repaired(p.ctx, rooms)
	}
}

func (p *clusterParts) leaving(node string, wills []store.Will) {
	if p.awaited(p.ctx) {
		p.log.Debug("people of a server that leaves", "server", node, "notices", len(wills))
		p.handlers.presence.Leaving(node, wills)
	}
}

// drain hands this server's users over: they stay in lists until they come back elsewhere, or the grace is over.
func (p *clusterParts) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	p.handlers.rooms.Draining()
	if err := p.node.Leave(ctx, p.grace); err != nil {
		p.log.Warn("redis does not know that this server stops: its users are gone from lists until they are back", "error", err)
	}
	p.cluster.Drain()
}

// stop ends this server's part in the cluster. The link stays open for what is still to be written.
func (p *clusterParts) stop() {
	p.unfollow()
	p.following.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := p.node.Close(ctx); err != nil {
		p.log.Warn("redis does not know that this server has stopped", "error", err)
	}
	p.cluster.Stop()
}

// readiness is what /readyz says beside "ready"; "": nothing is amiss.
func (p *clusterParts) readiness() string {
	switch {
	case !p.link.Up():
		return "redis is away: clients of this server reach each other, but not those of others"
	case !p.registered():
		return "the other servers do not know this one yet"
	default:
		return ""
	}
}

// registered reports whether the others would notice if this server died.
func (p *clusterParts) registered() bool {
	select {
	case <-p.node.Registered():
		return true
	default:
		return false
	}
}

// join waits until the others know this server, for a moment: where Redis is away it begins without them.
func (p *clusterParts) join() {
	select {
	case <-p.node.Registered():
	case <-time.After(leaveTimeout):
	}
}

// attach ties the cluster to the life of a server whose handlers are closed by closeHandlers: it leaves before they are, and
// the connection to Redis, by which they write, ends after them.
func (p *clusterParts) attach(srv *server.Server, closeHandlers func()) {
	if p == nil {
		srv.OnClose(closeHandlers)
		return
	}
	p.join()
	srv.OnDrain(p.drain)
	srv.OnReady(p.readiness)
	srv.OnClose(p.link.Close)
	srv.OnClose(closeHandlers)
	srv.OnClose(p.stop)
}

// describeCluster shows the cluster on /metrics, where there is one.
func describeCluster(m *server.Metrics, p *clusterParts) {
	if p == nil {
		return
	}
	type metric struct {
		name, help string
		value      func(cluster.Stats) float64
	}
	for _, c := range []metric{
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
		m.Counter(c.name, c.help, func() float64 { return c.value(p.cluster.Stats()) })
	}
	for _, g := range []metric{
		{"signalbox_cluster_nodes", "Other signalbox servers in the cluster.", func(s cluster.Stats) float64 { return float64(s.Nodes) }},
		{"signalbox_cluster_suspects", "Other signalbox servers that do not answer.", func(s cluster.Stats) float64 { return float64(s.Suspects) }},
		{"signalbox_cluster_foreign_servers", "Servers in the cluster that are not signalbox.", func(s cluster.Stats) float64 { return float64(s.Foreign) }},
	} {
		m.Gauge(g.name, g.help, func() float64 { return g.value(p.cluster.Stats()) })
	}
	m.Gauge("signalbox_redis_up", "1 while Redis answers and everything is subscribed to, else 0.", func() float64 {
		if p.link.Up() {
			return 1
		}
		return 0
	})
	m.Gauge("signalbox_redis_queued_bytes", "What waits to be written to Redis.", func() float64 { return float64(p.link.Stats().QueuedBytes) })
	m.Counter("signalbox_redis_lost_total", "Commands to Redis that were given up: it was away, or too much waited.", func() float64 { return float64(p.link.Stats().Lost) })
	m.Counter("signalbox_redis_downs_total", "Times that Redis went away.", func() float64 { return float64(p.link.Stats().Downs) })
}
