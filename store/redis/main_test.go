package redis

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// backends runs test on a real Redis, where there is one, and on miniredis.
func backends(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("redis", func(t *testing.T) {
		redistest.NeedReal(t)
		test(t, redistest.Start(t).URL())
	})
	t.Run("miniredis", func(t *testing.T) {
		test(t, "redis://"+miniredis.RunT(t).Addr())
	})
}

// dial opens a link that is up and closes it when the test ends.
func dial(t testing.TB, url string) *redislink.Link {
	t.Helper()
	return dialWith(t, redislink.Options{URL: url, Beat: 20 * time.Millisecond})
}

func dialWith(t testing.TB, o redislink.Options) *redislink.Link {
	t.Helper()
	l, err := redislink.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	eventually(t, "the link is up", l.Up)
	return l
}

// client returns a client to look into Redis with.
func client(t testing.TB, url string) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// eventually waits until something is true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not in %v: %s", patience, what)
		panic("unreachable")
	}
}

// wantKeysBounded checks that no key would stay for good.
func wantKeysBounded(t testing.TB, c *goredis.Client) {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		ttl, err := c.TTL(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if ttl == -1 {
			t.Errorf("%s never expires", key)
		}
		if ttl > keyLife {
			t.Errorf("%s expires in %v, want %v at most", key, ttl, keyLife)
		}
	}
}
