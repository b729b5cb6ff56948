package redis

import (
	"context"
	"strconv"
	"strings"

	"signalbox/store"
	"signalbox/store/redislink"
)

// readNotices reads the notices in some hashes, each as often as it counts.
func readNotices(ctx context.Context, l *redislink.Link, hashes ...string) ([]store.LeaveNotice, error) {
	var all []store.LeaveNotice
	for _, hash := range hashes {
		fields, err := readHash(ctx, l, hash)
		if err != nil {
			return nil, err
		}
		for key, value := range fields {
			one, n, ok := readNotice(key, value)
			if !ok {
				continue // not written by this package
			}
			for range n {
				all = append(all, one)
			}
		}
	}
	return all, nil
}

// noticesPerRead is how many notices are read at once.
const noticesPerRead = 500

func readHash(ctx context.Context, l *redislink.Link, hash string) (map[string]string, error) {
	fields := make(map[string]string)
	cursor := "0"
	for {
		reply, err := l.Do(ctx, "hscan", hash, cursor, "count", noticesPerRead)
		if err != nil {
			return nil, err
		}
		parts, _ := reply.([]any) // the next cursor, and keys and values in turn
		if len(parts) != 2 {
			return nil, unexpected(reply)
		}
		page, err := texts(parts[1], nil)
		if err != nil {
			return nil, err
		}
		cursor, _ = parts[0].(string)
		for i := 1; i < len(page); i += 2 {
			fields[page[i-1]] = page[i] // a field may come twice
		}
		if cursor == "0" || cursor == "" {
			return fields, nil
		}
	}
}

// maxNoticesOfKey bounds what one value can stand for.
const maxNoticesOfKey = 10_000

func readNotice(key, value string) (one store.LeaveNotice, n int, ok bool) {
	count, rest, _ := strings.Cut(value, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return store.LeaveNotice{}, 0, false
	}
	topic, body, ok := unsized(rest)
	return store.LeaveNotice{Key: key, Topic: topic, Body: []byte(body)}, min(n, maxNoticesOfKey), ok
}
