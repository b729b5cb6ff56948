package engine

import "time"

// Config is what sessions need beside what is set for connections of all kinds, see [conn.Config]: that of the
// heartbeat, of payloads and of outboxes is there. The zero value of each field means its default.
type Config struct {
	// UpgradeTimeout is how long a client may take to complete an upgrade. Default 10s.
	UpgradeTimeout time.Duration
	// BodyReadTimeout is how long the body of a POST may take to arrive. Default 30s.
	BodyReadTimeout time.Duration
	// Transports lists those a client may use, by name. Default "polling", "websocket".
	Transports []string
	// SessionCookie is the name of a cookie with the session id, which the answer to a handshake by polling sets. "":
	// none.
	SessionCookie string
	// AllowEIO3 lets clients of Engine.IO 3 in, see package eio3.
	AllowEIO3 bool
	// IDPrefix names this server among others, at most 4 characters of base64url. It begins the ids of sessions of
	// Engine.IO 3, which are ids of sockets as well, and with PrefixAll those of others.
	IDPrefix  string
	PrefixAll bool
}

const kiB = 1 << 10

func (c Config) withDefaults() Config {
	if c.UpgradeTimeout == 0 {
		c.UpgradeTimeout = 10 * time.Second
	}
	if c.BodyReadTimeout == 0 {
		c.BodyReadTimeout = 30 * time.Second
	}
	if len(c.Transports) == 0 {
		c.Transports = []string{Polling.String(), WebSocketTransport.String()}
	}
	return c
}
