package conn

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"signalbox/server/remote"
)

// Config holds limits and times. The zero value of each field means its default.
type Config struct {
	// PingInterval is the time between a pong and the next ping. Default 25s.
	PingInterval time.Duration
	// PingTimeout is how long a client may take to answer a ping. Default 20s.
	PingTimeout time.Duration
	// WriteTimeout is how long a write may make no progress before the connection ends. Default 10s.
	WriteTimeout time.Duration
	// CloseTimeout bounds the end of a connection: what is queued must have left, and the client must have
	// answered the close frame or fetched its last poll, within this time. Default 5s.
	CloseTimeout time.Duration
	// ShutdownSpread is the time over which Shutdown ends the connections, in waves. 0: all at once.
	ShutdownSpread time.Duration

	// MaxPayloadBytes is the largest message a client may send, and the largest body of a POST. Default 1,000,000.
	MaxPayloadBytes int64
	// CompressBytes is the size from which messages to websockets are compressed, for clients that offer
	// permessage-deflate; theirs may be compressed then, too. 0: none are.
	CompressBytes int
	// OutboxBytes is how much may be queued for one client. A single larger message is taken when nothing else is
	// queued. Default 4 MiB.
	OutboxBytes int
	// MaxConnections bounds sessions, websockets and streams together. 0: no limit.
	MaxConnections int
	// MaxDescriptors bounds the file descriptors of all of them: one that polls may take three at the same time, until
	// it has upgraded. 0: no limit.
	MaxDescriptors int
	// MaxConnectionsPerIP is the same for one client address. 0: no limit.
	MaxConnectionsPerIP int
	// HandshakesPerSecond bounds new connections from one client address; ten times as many may come at once.
	// 0: no limit.
	HandshakesPerSecond float64

	// Flushers is the number of goroutines that write. Default GOMAXPROCS.
	Flushers int

	// ClientIP tells a client's address from its request. Default: the host part of RemoteAddr. Which proxies are to
	// be trusted is decided here, by the caller.
	ClientIP func(*http.Request) string
	// CheckOrigin reports whether a request may open a connection as far as its Origin is concerned. Default: every
	// one may. The request is refused with 403.
	CheckOrigin func(*http.Request) bool
	// Log takes what an operator should know. Default: nothing is logged.
	Log *slog.Logger
}

const (
	kiB = 1 << 10
	miB = 1 << 20

	// handshakeBurst is how many seconds' worth of handshakes one address may make at once.
	handshakeBurst = 10
)

func (c Config) withDefaults() Config {
	setDefault(&c.PingInterval, 25*time.Second)
	setDefault(&c.PingTimeout, 20*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.CloseTimeout, 5*time.Second)
	setDefault(&c.MaxPayloadBytes, 1_000_000)
	setDefault(&c.OutboxBytes, 4*miB)
	setDefault(&c.Flushers, runtime.GOMAXPROCS(0))
	if c.ClientIP == nil {
		c.ClientIP = remote.Host
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
