package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"signalbox/store/redislink"
)

// ForwardKey returns the key with which servers sign the requests that they pass on. The first one makes it, or puts
// back the one it has, where Redis has lost that. It stays as long as some server asks for it once in a day.
func ForwardKey(ctx context.Context, l *redislink.Link, prefix string, have []byte) ([]byte, error) {
	if have == nil {
		have = make([]byte, 32)
		rand.Read(have) // never fails
	}
	key := keyBase(prefix) + "forward"
	replies, err := l.DoAll(ctx,
		[]any{"SET", key, hex.EncodeToString(have), "NX", "PX", keyLife.Milliseconds()},
		[]any{"PEXPIRE", key, keyLife.Milliseconds()},
		[]any{"GET", key})
	if err != nil {
		return nil, err
	}
	text, _ := replies[2].(string)
	found, err := hex.DecodeString(text)
	if err != nil || len(found) != len(have) {
		return nil, unexpected(replies[2])
	}
	return found, nil
}
