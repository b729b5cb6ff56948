package conn

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Load is what one client costs.
type Load struct {
	// Client is the id by which the client knows itself, User its user; "" for what is not known.
	Client string `json:"client"`
	User   string `json:"user"`
	Addr   string `json:"addr"`

	PacketsPerSecond float64 `json:"packetsPerSecond"` // from it
	BytesPerSecond   float64 `json:"bytesPerSecond"`   // from it
	OutboxBytes      int     `json:"outboxBytes"`      // that wait for it now
}

// received is what a connection has received; both wrap.
type received struct{ packets, bytes uint32 }

// Busiest watches all connections for a while and returns n of them, in falling order: those that sent the most, and
// behind them those for which the most waits. Such as did neither are left out.
func (s *Server) Busiest(ctx context.Context, watch time.Duration, n int) []Load {
	before, start := make(map[*Conn]received), time.Now()
	s.each(func(c *Conn) {
		c.mu.Lock()
		before[c] = c.got
		c.mu.Unlock()
	})
	select {
	case <-time.After(watch):
	case <-ctx.Done():
		return nil
	}
	took := time.Since(start).Seconds()
	type candidate struct {
		Load
		conn *Conn
	}
	var all []candidate
	s.each(func(c *Conn) {
		c.mu.Lock()
		got, waiting := c.got, c.bytes
		c.mu.Unlock()
		l := Load{Addr: c.addr, OutboxBytes: waiting}
		l.PacketsPerSecond = float64(got.packets-before[c].packets) / took
		l.BytesPerSecond = float64(got.bytes-before[c].bytes) / took
		if l.PacketsPerSecond == 0 && l.OutboxBytes == 0 {
			return
		}
		all = append(all, candidate{l, c})
	})
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.PacketsPerSecond, a.PacketsPerSecond), cmp.Compare(b.OutboxBytes, a.OutboxBytes))
	})
	loads := make([]Load, min(n, len(all)))
	for i := range loads {
		c := all[i]
		c.conn.mu.Lock()
		known := c.conn.got.packets > 0 // from then on its receiver is there; that of a stream always is
		c.conn.mu.Unlock()
		_, stream := c.conn.owner.(*streamOwner)
		if named, ok := c.conn.owner.(Named); ok && (known || stream) {
			c.Client, c.User = named.Names()
		}
		loads[i] = c.Load
	}
	return loads
}

// each calls f with every connection. No lock is held then.
func (s *Server) each(f func(*Conn)) {
	s.mu.Lock()
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
}

// namesOf returns the names of a receiver's client.
func namesOf(r any) (id, user string) {
	if named, ok := r.(Named); ok {
		return named.Names()
	}
	return "", ""
}

// Names implements [Named].
func (ws *webSocketOwner) Names() (id, user string) { return namesOf(ws.receiver) }

// Names implements [Named].
func (st *streamOwner) Names() (id, user string) { return namesOf(st.receiver) }
