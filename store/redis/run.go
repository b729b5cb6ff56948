package redis

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store/redislink"
)

// run runs a script and returns its reply; nil for Redis' nil.
func run(ctx context.Context, l *redislink.Link, s *goredis.Script, keys []string, args ...any) (reply any, err error) {
	err = l.Do(ctx, func(ctx context.Context, c goredis.UniversalClient) error {
		var err error
		reply, err = s.Run(ctx, c, keys, args...).Result()
		return notNil(err)
	})
	return reply, err
}

// runTexts runs a script that replies with a list of strings.
func runTexts(ctx context.Context, l *redislink.Link, s *goredis.Script, keys []string, args ...any) ([]string, error) {
	reply, err := run(ctx, l, s, keys, args...)
	if err != nil {
		return nil, err
	}
	list, ok := reply.([]any)
	if !ok {
		return nil, unexpected(reply)
	}
	texts := make([]string, len(list))
	for i, item := range list {
		if texts[i], ok = item.(string); !ok {
			return nil, unexpected(item)
		}
	}
	return texts, nil
}

// runNumber runs a script that replies with a number.
func runNumber(ctx context.Context, l *redislink.Link, s *goredis.Script, keys []string, args ...any) (int64, error) {
	reply, err := run(ctx, l, s, keys, args...)
	if err != nil {
		return 0, err
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, unexpected(reply)
	}
	return n, nil
}

// notNil returns err, and nil for Redis' answer that there is no such thing.
func notNil(err error) error {
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	return err
}

// flag is how scripts are told yes or no.
func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
