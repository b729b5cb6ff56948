package redis

import (
	"context"

	"signalbox/store/redislink"
)

// runTexts runs a script that replies with a list of strings.
func runTexts(ctx context.Context, l *redislink.Link, s *redislink.Script, keys []string, args ...any) ([]string, error) {
	return texts(l.Run(ctx, s, keys, args...))
}

// texts makes of a reply the list of strings that it is.
func texts(reply any, err error) ([]string, error) {
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
func runNumber(ctx context.Context, l *redislink.Link, s *redislink.Script, keys []string, args ...any) (int64, error) {
	reply, err := l.Run(ctx, s, keys, args...)
	if err != nil {
		return 0, err
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, unexpected(reply)
	}
	return n, nil
}

// flag is how scripts are told yes or no.
func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
