package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
)

// historyClient returns a client of its own for looking at keys.
func historyClient(t testing.TB, server *redistest.Server) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	t.Cleanup(func() { c.Close() })
	return c
}

func historyKeysIn(t testing.TB, c *goredis.Client) []string {
	t.Helper()
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestHistoryVictims(t *testing.T) {
	room := func(name string, at float64) oldRoom {
		return oldRoom{name: name, at: at, messages: 10, bytes: 100}
	}
	old := historyRoomLife.Seconds()
	for name, c := range map[string]struct {
		waiting         []oldRoom
		rooms           int64
		messages, bytes int64
		want            string
	}{
		"nothing is too much":             {[]oldRoom{room("a", 1), room("b", 2)}, 2, 20, 200, ""},
		"too many messages":               {[]oldRoom{room("a", 1), room("b", 2), room("c", 3)}, 3, 20, 1000, "a"},
		"too many bytes":                  {[]oldRoom{room("a", 1), room("b", 2), room("c", 3)}, 3, 100, 150, "ab"},
		"the newest room stays":           {[]oldRoom{room("a", 1), room("b", 2)}, 2, 1, 1, "a"},
		"only those that are told of":     {[]oldRoom{room("a", 1), {name: "b", at: 2, last: true}, room("c", 3)}, 9, 1, 1, "ab"},
		"nobody wrote to it for too long": {[]oldRoom{room("a", 1-old), room("b", 2-old), room("c", 3)}, 3, 99, 999, "ab"},
		"nobody wrote to any":             {[]oldRoom{room("a", 1-old)}, 1, 99, 999, "a"},
		"no rooms":                        {nil, 0, 0, 0, ""},
	} {
		s := survey{waiting: c.waiting, rooms: c.rooms, now: 3}
		s.lanes[0] = sums{5 * int64(len(c.waiting)), 50 * int64(len(c.waiting))}
		s.lanes[1] = s.lanes[0]
		var got strings.Builder
		for _, r := range s.victims(c.messages, c.bytes) {
			got.WriteString(r.name)
		}
		if got.String() != c.want {
			t.Errorf("%s: victims are %q, want %q", name, got.String(), c.want)
		}
	}
}

// Whatever is appended, Redis has bounded keys, all of which have a time to go, and the sums are right.
func TestHistoryStaysInBounds(t *testing.T) {
	server := redistest.Start(t)
	limits := store.HistoryLimits{RoomMessages: 20, RoomBytes: 8 << 10, Messages: 500, Bytes: 200 << 10}
	nodes := []*History{
		openHistory(t, redislink.Options{URL: server.URL()}, limits, fastHistory),
		openHistory(t, redislink.Options{URL: server.URL()}, limits, fastHistory),
	}
	for i := range 6000 {
		m := store.Message{ID: fmt.Sprint(i), JSON: strings.Repeat("x", i*7919%4000), Time: time.Now()}
		if err := nodes[i%2].Append(fmt.Sprint("room ", i*31%197), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range nodes {
		written(t, h)
	}
	historyUntil(t, "the bounds hold", func() bool {
		s, err := nodes[0].survey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(s.victims(int64(limits.Messages), limits.Bytes)) == 0
	})

	c := historyClient(t, server)
	var messages, bodies, rooms int64
	for _, key := range historyKeysIn(t, c) {
		if !strings.HasPrefix(key, "test-signalbox:history:{h") {
			t.Errorf("a key is called %q", key)
		}
		if life, err := c.PTTL(t.Context(), key).Result(); err != nil || life <= 0 {
			t.Errorf("key %q stays for %v, %v", key, life, err)
		}
		switch {
		case strings.HasSuffix(key, ":heads"):
			rooms++
			messages += c.LLen(t.Context(), key).Val()
		case strings.HasSuffix(key, ":bodies"):
			bodies += c.HLen(t.Context(), key).Val()
		}
	}
	s := nodes[0].Stats()
	if messages == 0 || messages != s.DiskMessages || bodies != messages || messages > 500 || s.DiskBytes > 200<<10 {
		t.Errorf("Redis has %d heads, %d bodies, at most 500 are wanted; Stats = %+v", messages, bodies, s)
	}
	if n := len(historyKeysIn(t, c)); int64(n) > 2*rooms+(2+2)*historyLanes {
		t.Errorf("there are %d keys for %d rooms", n, rooms)
	}
	if s.Evicted+nodes[1].Stats().Evicted == 0 {
		t.Error("no room was taken out")
	}
	if server.Real() {
		used := int64(0)
		for _, key := range historyKeysIn(t, c) {
			used += c.MemoryUsage(t.Context(), key, 0).Val()
		}
		t.Logf("%d messages in %d rooms count for %d bytes and take %d", messages, rooms, s.DiskBytes, used)
		if used > 2*s.DiskBytes {
			t.Errorf("the history counts for %d bytes and takes %d", s.DiskBytes, used)
		}
	}
}

func TestHistoryForgetsRoomsNobodyWritesTo(t *testing.T) {
	server := redistest.Start(t)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, fastHistory)
	say(t, h, "old", "a", 0, 3)
	say(t, h, "new", "a", 0, 3)
	written(t, h)
	c := historyClient(t, server)
	at := h.keys.place("old")
	long, lane := time.Now().Add(-historyRoomLife-time.Minute).Unix(), &h.keys.lanes[at.lane]
	if err := c.ZAdd(t.Context(), lane.rooms.(string), goredis.Z{Score: float64(long), Member: at.name}).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.HSet(t.Context(), lane.sizes.(string), at.name, fmt.Sprintf("3 400 %d 0", long)).Err(); err != nil {
		t.Fatal(err)
	}
	historyUntil(t, "the old room has gone", func() bool {
		say(t, h, "new", "a", 3, 4) // a node that writes looks
		got, err := h.Last(t.Context(), "old", 5)
		return err == nil && len(got) == 0
	})
	written(t, h)
	if err := h.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Exists(t.Context(), at.heads.(string), at.bodies.(string)).Result(); n != 0 || err != nil {
		t.Errorf("%d keys of it are left, %v", n, err)
	}
	if s := h.Stats(); s.DiskMessages < 4 || s.Evicted != 1 {
		t.Errorf("Stats = %+v, want the messages of the new room", s)
	}
}

// What others put into the keys makes nothing fail for good, and what is right beside it is there.
func TestHistoryWithGarbageInItsKeys(t *testing.T) {
	server := redistest.Start(t)
	c := historyClient(t, server)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{RoomMessages: 50}, fastHistory)
	at := h.keys.place("r")
	heads, bodies := at.heads.(string), at.bodies.(string)
	lane := &h.keys.lanes[at.lane]
	do := func(args ...any) {
		t.Helper()
		if err := c.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	say(t, h, "r", "a", 0, 3)
	written(t, h)
	do("RPUSH", heads, "", "garbage", "1001900000000000 no-body-no-body-no-bo 5 x", "1 2 3 4", "\x00\xff")
	do("HSET", bodies, "nobody", "garbage")
	say(t, h, "r", "a", 3, 6)
	written(t, h)
	wantLast(t, h, "r", 5, saidIDs("a", 1, 6))
	got, err := h.Before(t.Context(), "r", store.Cursor{ID: "a-4"}, 3)
	if err != nil || !slices.Equal(historyIDs(got), saidIDs("a", 1, 4)) {
		t.Errorf("Before = %v, %v, want a-1 to a-3", historyIDs(got), err)
	}
	if got, err = h.Before(t.Context(), "r", store.Cursor{Time: said("a", 2).Time}, 3); err != nil || !slices.Equal(historyIDs(got), saidIDs("a", 0, 2)) {
		t.Errorf("Before a time = %v, %v, want a-0 and a-1", historyIDs(got), err)
	}
	if h.Stats().Damaged == 0 {
		t.Error("no damage is counted")
	}
	// The bound of the room holds, and takes the garbage with it.
	say(t, h, "r", "a", 6, 60)
	written(t, h)
	wantLast(t, h, "r", 100, saidIDs("a", 10, 60))
	if n := c.LLen(t.Context(), heads).Val(); n != 50 {
		t.Errorf("%d heads are left, want 50", n)
	}

	// Its own keys with something of another kind: it begins anew.
	for i, key := range []any{heads, bodies, lane.rooms, lane.sizes, lane.mark} {
		do("DEL", key)
		if key == lane.mark {
			do("RPUSH", key, "x")
		} else {
			do("SET", key, "x")
		}
		from := 100 + 10*i
		say(t, h, "r", "a", from, from+3)
		written(t, h)
		historyUntil(t, "it can be read", func() bool {
			got, err := h.Last(t.Context(), "r", 3)
			return err == nil && slices.Equal(historyIDs(got), saidIDs("a", from, from+3))
		})
	}
	// Foreign numbers and members.
	do("HSET", lane.sizes, "*messages", "many", "*bytes", "-", "ghost", "1 2 3 4", at.name, "x")
	do("ZADD", lane.rooms, "5", "ghost", "inf", "{x}", "7", "")
	say(t, h, "r", "b", 0, 3)
	written(t, h)
	if err := h.prune(t.Context()); err != nil {
		t.Error(err)
	}
	wantLast(t, h, "r", 3, saidIDs("b", 0, 3))
	if s := h.Stats(); s.Lost != 0 {
		t.Errorf("Stats = %+v, want none lost", s)
	}
}

// Every key has an end from the first message on.
func TestHistoryKeysExpire(t *testing.T) {
	server := redistest.Start(t)
	c := historyClient(t, server)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions)
	say(t, h, "r", "a", 0, 1)
	written(t, h)
	keys := historyKeysIn(t, c)
	if len(keys) == 0 {
		t.Error("no key was written")
	}
	for _, key := range keys {
		if life, err := c.PTTL(context.Background(), key).Result(); err != nil || life <= 0 {
			t.Errorf("key %q stays for %v, %v", key, life, err)
		}
	}
}

// A lane whose sums were lost finds them again as its rooms are written to.
func TestHistoryFindsItsSumsAgain(t *testing.T) {
	server := redistest.Start(t)
	c := historyClient(t, server)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions)
	say(t, h, "r", "a", 0, 10)
	written(t, h)
	want := h.Stats()
	at := h.keys.place("r")
	lane := &h.keys.lanes[at.lane]
	if err := c.Del(context.Background(), lane.sizes.(string)).Err(); err != nil {
		t.Fatal(err)
	}
	say(t, h, "r", "a", 10, 11)
	written(t, h)
	// A look at everything that was under way may come in between: it is put right by the next one.
	historyUntil(t, "one message more is counted", func() bool {
		got := h.Stats()
		return got.DiskMessages == 11 && got.DiskBytes > want.DiskBytes
	})
	// The room expires: the next message is its first one.
	if err := c.Del(context.Background(), at.heads.(string), at.bodies.(string)).Err(); err != nil {
		t.Fatal(err)
	}
	say(t, h, "r", "a", 11, 12)
	written(t, h)
	historyUntil(t, "one message is counted", func() bool { return h.Stats().DiskMessages == 1 })
	for _, key := range historyKeysIn(t, c) {
		if life, err := c.PTTL(context.Background(), key).Result(); err != nil || life <= 0 {
			t.Errorf("key %q stays for %v, %v", key, life, err)
		}
	}
}
