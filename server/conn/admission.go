package conn

import (
	"net/netip"
	"time"

	"signalbox/server/remote"
)

// maxAddrs bounds the table of client addresses. Those with open connections are bounded by the connections.
const maxAddrs = 1 << 16

// admission limits how many connections, and how many new ones per second, a client address may have. It is guarded by
// Server.mu.
type admission struct {
	limit     int     // connections, 0: any number
	perSecond float64 // handshakes, 0: any number

	addrs map[netip.Prefix]*counted
	swept time.Time // when evict last ran
}

type counted struct {
	connections int
	handshakes  Bucket
}

func newAdmission(limit int, perSecond float64) *admission {
	return &admission{limit: limit, perSecond: perSecond, addrs: make(map[netip.Prefix]*counted)}
}

func (a *admission) off() bool { return a.limit <= 0 && a.perSecond <= 0 }

// enter counts a new connection from addr, or refuses it.
func (a *admission) enter(addr string) *Refusal {
	if a.off() {
		return nil
	}
	key, now := remote.Network(addr), time.Now()
	p := a.addrs[key]
	if p == nil {
		if len(a.addrs) >= maxAddrs {
			a.evict(now)
		}
		p = new(counted)
		a.addrs[key] = p
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
	if p := a.addrs[remote.Network(addr)]; p != nil {
		return p.connections
	}
	return 0
}

// count counts a connection that was there before anybody counted.
func (a *admission) count(addr string) {
	key := remote.Network(addr)
	if a.addrs[key] == nil {
		a.addrs[key] = new(counted)
	}
	a.addrs[key].connections++
}

// leave takes a connection of addr off the count.
func (a *admission) leave(addr string) {
	if a.off() {
		return
	}
	key := remote.Network(addr)
	p := a.addrs[key]
	if p == nil {
		return
	}
	p.connections--
	if p.connections <= 0 && a.perSecond <= 0 {
		delete(a.addrs, key)
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
	for key, p := range a.addrs {
		if p.connections > 0 {
			continue
		}
		if p.handshakes.Empty(now, a.perSecond) {
			delete(a.addrs, key)
		} else if len(spare) < maxAddrs/16 {
			spare = append(spare, key)
		}
	}
	if len(a.addrs) < maxAddrs {
		return
	}
	for _, key := range spare {
		delete(a.addrs, key)
	}
}

func (a *admission) burst() float64 { return max(1, handshakeBurst*a.perSecond) }
