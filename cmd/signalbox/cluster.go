package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"signalbox/config"
	"signalbox/handlers/publish"
	"signalbox/handlers/rooms"
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

// sharedStores are what the servers of a cluster share in Redis.
type sharedStores struct {
	id    string // of this server among them
	link  *redislink.Link
	users *redis.Users
	node  *redis.Node
}

// openShared opens what servers share; nil where REDIS_URL names nothing. Redis need not be there: the server then is
// alone until it is.
func openShared(cfg config.Config, log *slog.Logger) (*sharedStores, error) {
	if !cfg.Clustered() {
		return nil, nil
	}
	l, err := redislink.Open(redislink.Options{URL: string(cfg.RedisURL), InsecureTLS: cfg.InsecureRedis(), Log: log})
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	id := cluster.NewNodeID()
	return &sharedStores{
		id: id, link: l, users: redis.NewUsers(l, cfg.RedisPrefix, id),
		node: redis.NewNode(redis.NodeOptions{Link: l, Prefix: cfg.RedisPrefix, ID: id, Log: log}),
	}, nil
}

// newCluster makes the hub's way to the other servers; nil: there are none.
func newCluster(cfg config.Config, h *hub.Hub, s *sharedStores, log *slog.Logger) *cluster.Cluster {
	if s == nil {
		return nil
	}
	return cluster.New(cluster.Options{
		Link: s.link, Hub: h, Prefix: cfg.RedisPrefix, Sharded: cfg.RedisMode == "sharded", NodeID: s.id, URL: string(cfg.NodeURL),
		Streams: cfg.RedisMode == "streams", StreamMaxLen: cfg.RedisStreamMax,
		MaxPayload: int(cfg.MaxPayloadBytes), Log: log, Settings: alike(cfg),
		OnPlain:   func(channel string, payload []byte) error { return publish.Receive(h, channel, payload) },
		Translate: rooms.TranslateForeign,
	})
}

// forwardKey returns what [server.Options] needs.
func (s *sharedStores) forwardKey(prefix string) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, have []byte) ([]byte, error) {
		return redis.ForwardKey(ctx, s.link, prefix, have)
	}
}

// alike are the settings that all servers should have alike.
func alike(cfg config.Config) string {
	return fmt.Sprintf("version=%s\nREDIS_MODE=%s\nRECOVERY=%v", buildVersion(), cfg.RedisMode, cfg.Recovery)
}

// others are the other servers, as handlers see them.
type others struct {
	nodes    hub.Nodes
	channels publish.Channels // nil: no other program hears what is published
	run      string           // names this process among them
}

func othersOf(c *cluster.Cluster, s *sharedStores) others {
	if c == nil {
		return others{nodes: hub.Alone}
	}
	return others{nodes: c, channels: c, run: s.id}
}

// membership is this server's part in a cluster, from before its first client to after its last one.
type membership struct {
	// Static after construction.
	*sharedStores
	cluster  *cluster.Cluster
	handlers *handlerSet
	grace    time.Duration
	log      *slog.Logger
	back     chan struct{}   // Redis is there, or back
	ctx      context.Context // ends when the server leaves the cluster
	cancel   context.CancelFunc

	following sync.WaitGroup // the goroutine of follow
}

// newMembership returns the membership of a server that has not joined yet; nil: there is no cluster.
func newMembership(cfg config.Config, s *sharedStores, c *cluster.Cluster, h *handlerSet, log *slog.Logger) *membership {
	if s == nil {
		return nil
	}
	m := &membership{
		sharedStores: s, cluster: c, handlers: h, log: log, back: make(chan struct{}, 1),
		grace: cfg.DrainDelay + cfg.Spread() + cfg.HandoverGrace,
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	c.OnTell(topicGone, func(body []byte) { c.Forget(string(body)) })
	return m
}

// join has the other servers look after what this one leaves behind, and the server tell them when it stops. It waits until
// they know it, for a moment: where Redis is away the server begins without them.
func (m *membership) join(srv *server.Server) {
	srv.OnDrain(m.drain)
	srv.OnReady(m.readiness)
	m.node.Start(redis.NodeCalls{OnDead: m.takeOver, OnReturn: m.returned, OnLeaving: m.leaving, OnLeft: m.handlers.presence.Left})
	m.following.Go(m.follow) // awaited by leave
	m.link.OnState(func(up bool) {
		if up {
			select {
			case m.back <- struct{}{}:
			default: // follow is about to look
			}
		}
	})
	select {
	case <-m.node.Registered():
	case <-time.After(leaveTimeout):
	}
}

// follow brings the users of this server, and the lists that clients here have, up to date each time Redis is back: what the
// others told meanwhile did not come. It does so for the lists of some rooms where Redis did not know what was true of them.
func (m *membership) follow() {
	var unpublished uint64
	for {
		select {
		case <-m.back:
			if n := m.cluster.Stats().Lost; n > unpublished {
				m.log.Warn("messages did not reach other servers", "messages", n-unpublished)
				unpublished = n
			}
			m.returned(m.ctx, false)
		case <-m.users.Repaired():
			m.handlers.chat.Repaired(m.ctx, m.users.TakeRepaired())
		case <-m.ctx.Done():
			return
		}
	}
}

// takeOver carries out what a node has left behind: it died, or the time is over in which its users could come back.
func (m *membership) takeOver(ctx context.Context, node string, notices []store.LeaveNotice) {
	m.cluster.Forget(node)
	m.cluster.Tell(topicGone, []byte(node)) // the others would wait for its answers a while longer
	users, err := m.users.Release(ctx, node)
	if err != nil {
		m.log.Warn("users of a server that is gone could not be taken out", "error", err)
	}
	if len(users)+len(notices) > 0 {
		m.log.Info("another server is gone", "users", len(users), "memberships", len(notices))
	}
	m.handlers.chat.Release(ctx, users)
	m.handlers.carryOut(ctx, node, m.handlers.logic.takeOver(ctx, notices))
}

// returned is called when Redis is back, and when it knows this node again, which it had forgotten or the others had declared
// dead.
func (m *membership) returned(ctx context.Context, declaredDead bool) {
	if err := m.users.Repair(ctx); err != nil {
		m.log.Warn("users of this server could not be written to redis again", "error", err)
	}
	m.handlers.chat.Returned(ctx, declaredDead)
	if declaredDead {
		m.handlers.rooms.Returned(ctx)
		m.handlers.logic.returned()
	}
}

func (m *membership) leaving(node string, notices []store.LeaveNotice) {
	m.log.Debug("people of a server that leaves", "server", node, "notices", len(notices))
	m.handlers.presence.Leaving(node, notices)
}

// drain hands this server's users over: they stay in lists until they come back elsewhere, or the grace is over.
func (m *membership) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	m.handlers.rooms.Draining()
	if err := m.node.Leave(ctx, m.grace); err != nil {
		m.log.Warn("redis does not know that this server stops: its users are gone from lists until they are back", "error", err)
	}
	m.cluster.Drain()
}

// leave ends this server's part in the cluster, also where it has not joined. The link stays open for what is still to be
// written.
func (m *membership) leave() {
	m.cancel()
	m.following.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := m.node.Close(ctx); err != nil {
		m.log.Warn("redis does not know that this server has stopped", "error", err)
	}
	m.cluster.Stop()
}

// readiness is what /readyz says beside "ready"; "": nothing is amiss.
func (m *membership) readiness() string {
	if !m.link.Up() {
		return "redis is away: clients of this server reach each other, but not those of others"
	}
	select {
	case <-m.node.Registered():
		return ""
	default: // the others would not notice if this server died
		return "the other servers do not know this one yet"
	}
}
