package redis

import (
	"context"
	"time"

	"signalbox/store/redislink"
)

// signInKey begins the keys of sign-ins: those of RedisStore in @socket.io/admin-ui, whatever the prefix, so that Node servers
// know ours and we know theirs.
const signInKey = "socket.io-admin#"

// SignIns keeps the sign-ins of the Admin UI where every server of a cluster finds them.
type SignIns struct{ link *redislink.Link }

// NewSignIns returns the sign-ins of a cluster.
func NewSignIns(l *redislink.Link) *SignIns { return &SignIns{l} }

// Save keeps a sign-in for a time.
func (s *SignIns) Save(ctx context.Context, id string, life time.Duration) error {
	_, err := s.link.Do(ctx, "SET", signInKey+id, "true", "EX", int64(life/time.Second))
	return err
}

// Has reports whether there is a sign-in.
func (s *SignIns) Has(ctx context.Context, id string) (bool, error) {
	n, err := s.link.Do(ctx, "EXISTS", signInKey+id)
	return n == int64(1), err
}
