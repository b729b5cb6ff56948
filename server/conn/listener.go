package conn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"signalbox/server/remote"
)

const (
	// warnEvery is the least time between two warnings about connections that were refused.
	warnEvery = time.Minute

	refusedConn = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)

// ListenerOptions bound what a [Listener] accepts.
type ListenerOptions struct {
	// WriteTimeout is how long a write may make no progress until it fails.
	WriteTimeout time.Duration
	// MaxOpen bounds the connections that are open at the same time, websockets among them. From nine tenths of it on,
	// those that have waited longest for a request are closed to make room. 0: no limit.
	MaxOpen int
	// MaxPerAddr bounds those of one address, of IPv6 those of one /64 network. From two thirds of it on they are not
	// kept for another request. 0: no limit.
	MaxPerAddr int
	// Preface reads what a proxy in front writes on a connection before its client's own bytes, not one byte of these,
	// and returns the address of the client; nil: that of the connection. It sets its own deadline, and none is left.
	// After an error nothing more is read. nil: there is none.
	Preface func(nc net.Conn) (client net.Addr, err error)
	// Log gets a warning, once a minute at most, where connections are refused or closed. Default: nobody is told.
	Log *slog.Logger
}

// Listener accepts connections for the http.Server and knows all that are open. Its connections write
// as a [Conn] does: a write that the kernel takes at once costs the scheduler nothing, so a poll or a handshake takes
// less CPU; and a write, of whatever answer, may take as long as it makes progress. After that it fails, and net/http
// closes the connection: one whose client sends requests and does not read the answers would stay for ever. A write
// deadline that is set on a connection counts until its next blocked write. Connections that are no sockets are
// accepted as they are.
type Listener struct {
	net.Listener
	o ListenerOptions

	mu sync.Mutex
	// mu guards the following.
	open       int                  // connections
	http       int                  // of these, what net/http still has
	addrs      map[netip.Prefix]int // connections by network; nil: nobody asks
	head, tail *quickConn           // those without a request, the one that has waited longest first
	warned     time.Time
	closed     ClosedConns
}

// ClosedConns counts connections that were not left to their clients.
type ClosedConns struct {
	Full    uint64 // refused: MaxOpen are open and all are in use
	PerAddr uint64 // refused: MaxPerAddr of its network are open
	Idle    uint64 // closed while they waited for a request, to make room
}

// Listen returns l with the options.
func Listen(l net.Listener, o ListenerOptions) *Listener {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	listener := &Listener{Listener: l, o: o}
	if o.MaxPerAddr > 0 {
		listener.addrs = make(map[netip.Prefix]int)
	}
	return listener
}

// Beside returns another listener whose connections are counted together with those of l.
func (l *Listener) Beside(other net.Listener) net.Listener { return beside{other, l} }

type beside struct {
	net.Listener
	counted *Listener
}

// Accept implements [net.Listener].
func (b beside) Accept() (net.Conn, error) { return b.counted.accept(b.Listener) }

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) { return l.accept(l.Listener) }

func (l *Listener) accept(from net.Listener) (net.Conn, error) {
	for {
		nc, err := from.Accept()
		if err != nil {
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				l.mu.Lock()
				l.warnLocked("no connection can be accepted: the process has no file descriptor left")
				l.mu.Unlock()
			}
			return nil, err
		}
		s, ok := nc.(socket)
		if !ok {
			return nc, nil
		}
		c := &quickConn{socket: s, raw: rawConn(s), listener: l}
		longest, ok := l.admit(c)
		if longest != nil {
			_ = longest.Close()
		}
		if ok {
			return c, nil
		}
		_, _ = quickWrite(c.raw, []byte(refusedConn)) // as much as can be said to somebody who may not listen
		_ = s.Close()
	}
}

// admit counts a connection and reports whether there is room for it. The one that it returns is to be closed.
func (l *Listener) admit(c *quickConn) (longest *quickConn, ok bool) {
	network := networkOf(c.socket)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.MaxPerAddr > 0 && network.IsValid() && l.addrs[network] >= l.o.MaxPerAddr {
		l.closed.PerAddr++
		l.warnLocked("connections of an address are refused: it has too many open")
		return nil, false
	}
	if l.crowdedLocked() {
		longest = l.head
	}
	switch {
	case longest != nil:
		l.closed.Idle++
		l.unlinkLocked(longest)
		l.warnLocked("idle connections are closed: nine tenths of the connections that may be open are")
	case l.o.MaxOpen > 0 && l.open >= l.o.MaxOpen:
		l.closed.Full++
		l.warnLocked("connections are refused: as many are open as may be")
		return nil, false
	}
	l.open++
	l.http++
	if l.addrs != nil {
		l.addrs[network]++
	}
	c.fresh = true
	l.waitLocked(c)
	return longest, true
}

func (l *Listener) crowdedLocked() bool { return l.o.MaxOpen > 0 && l.open >= l.o.MaxOpen*9/10 }

// manyLocked reports whether a network has so many connections that none of them is kept for another request.
func (l *Listener) manyLocked(network netip.Prefix) bool {
	return l.o.MaxPerAddr > 0 && l.addrs != nil && network.IsValid() && l.addrs[network] > l.o.MaxPerAddr*2/3
}

func (l *Listener) warnLocked(text string) {
	if now := time.Now(); now.Sub(l.warned) >= warnEvery {
		l.warned = now
		l.o.Log.LogAttrs(context.Background(), slog.LevelWarn, text, slog.Int("open", l.open), slog.Int("limit", l.o.MaxOpen),
			slog.Int("limitPerAddress", l.o.MaxPerAddr), slog.Any("closed", l.closed))
	}
}

// Follow is the ConnState of the http.Server.
func (l *Listener) Follow(nc net.Conn, state http.ConnState) {
	c := quickOf(nc)
	if c == nil || state == http.StateNew || state == http.StateClosed { // known from Accept and Close
		return
	}
	l.mu.Lock()
	c.fresh = false
	l.unlinkLocked(c)
	full := false
	switch state {
	case http.StateHijacked:
		l.http--
		c.taken = true
	case http.StateIdle:
		full = l.crowdedLocked() || l.manyLocked(networkOf(c.socket))
		if full {
			l.closed.Idle++
		} else if !c.gone {
			l.waitLocked(c)
		}
	}
	l.mu.Unlock()
	if full {
		_ = c.Close()
	}
}

// SetMaxPerAddr sets [ListenerOptions.MaxPerAddr] anew, where there was one from the beginning: otherwise nobody has
// counted.
func (l *Listener) SetMaxPerAddr(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addrs != nil {
		l.o.MaxPerAddr = n
	}
}

// Open returns how many connections are open, how many of these net/http has, and what was closed.
func (l *Listener) Open() (all, http int, closed ClosedConns) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open, l.http, l.closed
}

// CloseFresh closes the connections on which no request has come. [http.Server.Shutdown] would wait 5 s for each, and
// browsers open some in advance.
func (l *Listener) CloseFresh() {
	l.mu.Lock()
	var fresh []*quickConn
	for c := l.head; c != nil; c = c.next {
		if c.fresh {
			fresh = append(fresh, c)
		}
	}
	l.mu.Unlock()
	for _, c := range fresh { // not under the lock, which Close takes
		_ = c.Close()
	}
}

// waitLocked puts c behind those that wait for a request.
func (l *Listener) waitLocked(c *quickConn) {
	c.waits, c.prev, c.next = true, l.tail, nil
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.next = c
	}
	l.tail = c
}

func (l *Listener) unlinkLocked(c *quickConn) {
	if !c.waits {
		return
	}
	if c.prev == nil {
		l.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.waits, c.prev, c.next = false, nil, nil
}

// forget takes a connection that was closed off the count. c is nil for one that `conn` has taken over.
func (l *Listener) forget(s socket, c *quickConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if c != nil {
		if !c.taken {
			l.http--
		}
		c.gone = true
		l.unlinkLocked(c)
	}
	if l.addrs == nil {
		return
	}
	network := networkOf(s)
	if l.addrs[network]--; l.addrs[network] <= 0 {
		delete(l.addrs, network)
	}
}

// networkOf returns what a connection is counted by; that of a unix socket is not valid.
func networkOf(s socket) netip.Prefix {
	addr, ok := s.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return remote.NetworkOf(addr.AddrPort().Addr())
}
