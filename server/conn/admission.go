package conn

import (
	"net/netip"
	"time"

	"signalbox/server/remote"
)

// maxPeers bounds the table of client addresses. Those with open connections are bounded by the connections.
const maxPeers = 1 << 16

// admission limits how many connections, and how many new ones per second, a client address may have. It is guarded by
// Server.mu.
type admission struct {
	limit     int     // connections, 0: any number
	perSecond float64 // handshakes, 0: any number

	peers map[netip.Prefix]*peer
	swept time.Time // when evict last ran
}

type peer struct {
	connections int
	handshakes  Bucket
}

func newAdmission(limit int, perSecond float64) *admission {
	return &admission{limit: limit, perSecond: perSecond, peers: make(map[netip.Prefix]*peer)}
}

func (a *admission) off() bool { return a.limit <= 0 && a.perSecond <= 0 }

// enter counts a new connection from addr, or refuses it.
func (a *admission) enter(addr string) *Refusal {
	if a.off() {
		return nil
	}
	key, now := remote.Network(addr), time.Now()
	p := a.peers[key]
	if p == nil {
		if len(a.peers) >= maxPeers {
			a.evict(now)
		}
		p = new(peer)
		a.peers[key] = p
	}
	if a.limit > 0 && p.connections >= a.limit {
		return refuseLimit
	}
	if a.perSecond > 0 && !p.handshakes.Take(now, a.perSecond, a.burst()) {
		return refuseRate
	}
	p.connections++
	return nil
}

// connectionsOf returns how many connections addr has. Where they are not limited, they are not counted.
func (a *admission) connectionsOf(addr string) int {
	if p := a.peers[remote.Network(addr)]; p != nil {
		return p.connections
	}
	return 0
}

// count counts a connection that was there before anybody counted.
func (a *admission) count(addr string) {
	key := remote.Network(addr)
	if a.peers[key] == nil {
		a.peers[key] = new(peer)
	}
	a.peers[key].connections++
}

// leave takes a connection of addr off the count.
func (a *admission) leave(addr string) {
	if a.off() {
		return
	}
	key := remote.Network(addr)
	p := a.peers[key]
	if p == nil {
		return
	}
	p.connections--
	if p.connections <= 0 && a.perSecond <= 0 {
		delete(a.peers, key)
	}
}

// evict makes room by forgetting addresses without connections: first those whose bucket is empty, which loses
// nothing, else any. It looks at the whole table, so it runs once a second at most.
func (a *admission) evict(now time.Time) {
	if now.Sub(a.swept) < time.Second {
		return
	}
	a.swept = now
	var spare []netip.Prefix
	for key, p := range a.peers {
		if p.connections > 0 {
			continue
		}
		if p.handshakes.Empty(now, a.perSecond) {
			delete(a.peers, key)
		} else if len(spare) < maxPeers/16 {
			spare = append(spare, key)
		}
	}
	if len(a.peers) < maxPeers {
		return
	}
	for _, key := range spare {
		delete(a.peers, key)
	}
}

func (a *admission) burst() float64 { return max(1, handshakeBurst*a.perSecond) }
