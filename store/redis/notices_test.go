package redis

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
)

// TestNoticesInRedis changes notices at random while Redis comes and goes, loses its scripts and its data, and compares at times.
func TestNoticesInRedis(t *testing.T) {
	server := redistest.Start(t)
	l, raw := dial(t, server.URL()), client(t, server.URL())
	w := newNotices(l)
	random := rand.New(rand.NewPCG(1, 2))
	truth := make(map[string]int)
	change := func() {
		key := fmt.Sprint("k", random.IntN(30))
		if random.IntN(3) > 0 {
			w.add(store.LeaveNotice{Key: key, Topic: "t", Body: []byte(key)})
			truth[key]++
			return
		}
		w.withdraw(key)
		if truth[key]--; truth[key] <= 0 {
			delete(truth, key)
		}
	}
	run := 0
	register := func() {
		run++
		w.register(noticeKeysOf("p", fmt.Sprint(run)))
	}
	for range 50 {
		change()
	}
	register()
	for round := range 30 {
		for range 40 {
			change()
		}
		switch round % 6 {
		case 1:
			raw.ScriptFlush(t.Context())
		case 2:
			server.Stop()
			eventually(t, "the link is down", func() bool { return !l.Up() })
			for range 40 {
				change()
			}
			server.Start()
			eventually(t, "the link is up", l.Up)
			register()
		case 3: // a name nobody has written to, as after the node was declared dead
			register()
		}
		for range 10 {
			change()
		}
		eventually(t, "all is written", func() bool {
			err := w.settle(t.Context())
			return err == nil && !w.isDirty()
		})
		got := make(map[string]int)
		notices, err := readNotices(t.Context(), l, noticeKeysOf("p", fmt.Sprint(run)).notices)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range notices {
			got[one.Key]++
			if one.Topic != "t" || string(one.Body) != one.Key {
				t.Fatalf("will = %+v, want topic t and the key as its body", one)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(truth) {
			t.Fatalf("round %d: notices in redis = %v, want %v", round, got, truth)
		}
	}
	wantKeysBounded(t, raw)
}

// TestNoticesAway: what came and went while Redis was away is not remembered.
func TestNoticesAway(t *testing.T) {
	server := redistest.Start(t)
	l := dial(t, server.URL())
	w := newNotices(l)
	for i := range 100 {
		w.add(store.LeaveNotice{Key: fmt.Sprint("early", i)})
		w.withdraw(fmt.Sprint("early", i))
	}
	w.register(noticeKeysOf("p", "1"))
	w.add(store.LeaveNotice{Key: "kept"})
	w.add(store.LeaveNotice{Key: "gone"})
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	eventually(t, "the link takes nothing", func() bool { return !l.Enqueue(redislink.Command{Args: []any{"ping"}}) })
	for i := range 100 {
		w.add(store.LeaveNotice{Key: fmt.Sprint("late", i)})
		w.add(store.LeaveNotice{Key: fmt.Sprint("late", i)})
		w.withdraw(fmt.Sprint("late", i))
		w.withdraw(fmt.Sprint("late", i))
	}
	w.add(store.LeaveNotice{Key: "new"})
	w.withdraw("gone")
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) != 2 || len(w.dirty) != 2 {
		t.Errorf("kept = %v, dirty = %v, want kept and new, new and gone", w.kept, w.dirty)
	}
}

func TestManyNotices(t *testing.T) {
	server := redistest.Start(t)
	l := dial(t, server.URL())
	w := newNotices(l)
	const n = 5000
	want := make(map[string]int)
	for i := range n {
		key := fmt.Sprint("k", i)
		w.add(store.LeaveNotice{Key: key, Topic: "t", Body: bytes.Repeat([]byte("b"), 1000)})
		want[key] = 1
	}
	w.register(noticeKeysOf("p", "1"))
	if err := w.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	notices, err := readNotices(t.Context(), l, noticeKeysOf("p", "1").left, noticeKeysOf("p", "1").notices)
	if err != nil || len(notices) != n {
		t.Fatalf("readNotices = %d, %v, want %d", len(notices), err, n)
	}
	for _, one := range notices {
		delete(want, one.Key)
	}
	if len(want) > 0 {
		t.Errorf("%d keys lack", len(want))
	}
}

func TestReadNotice(t *testing.T) {
	for value, want := range map[string]struct {
		topic, body string
		n           int
		ok          bool
	}{
		"1 4:roombody":         {"room", "body", 1, true},
		"3 0:":                 {"", "", 3, true},
		"1 4:room":             {"room", "", 1, true},
		"2 1:a b c 1:":         {"a", " b c 1:", 2, true},
		"99999999 1:ab":        {"a", "b", maxNoticesOfKey, true},
		"":                     {},
		"1":                    {},
		"1 ":                   {},
		"0 1:ab":               {},
		"-1 1:ab":              {},
		"x 1:ab":               {},
		"1 5:abcd":             {},
		"1 -1:ab":              {},
		"1 99999999999999999:": {},
	} {
		one, n, ok := readNotice("k", value)
		if ok != want.ok || ok && (one.Topic != want.topic || string(one.Body) != want.body || n != want.n || one.Key != "k") {
			t.Errorf("readNotice(%q) = %+v, %d, %v, want %+v", value, one, n, ok, want)
		}
	}
}

// FuzzStored gives what may be in Redis to everything that reads it.
func FuzzStored(f *testing.F) {
	for _, seed := range []string{"", "1 4:roombody", "0000000000000001" + "1:a" + "1:rname", "1:r" + "1:nid", "9:x", "-1:", ":", "1:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if one, n, ok := readNotice("k", text); ok && (n < 1 || n > maxNoticesOfKey || len(one.Topic)+len(one.Body) > len(text)) {
			t.Errorf("readNotice(%q) = %+v, %d", text, one, n)
		}
		placeOf("r", text)
		ownedOf(text)
		recordOf("id", text)
		unsized(text)
		if seq, err := parseSeq(text); err == nil && formatSeq(seq) != text {
			t.Errorf("%q came back as %q", text, formatSeq(seq))
		}
	})
}

func BenchmarkNoticeMemory(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		before := heap()
		w := newNotices(nil)
		for i := range n {
			w.add(store.LeaveNotice{Key: fmt.Sprintf("room 4 room %06d", i), Topic: "room", Body: []byte(`{"run":"x","room":"cm9vbQ==","userId":"42"}`)})
		}
		b.ReportMetric(float64(heap()-before)/n, "B/will")
		runtime.KeepAlive(w)
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// BenchmarkScripts measures how long one call holds Redis up, with 100,000 users of which half belong to the node.
func BenchmarkScripts(b *testing.B) {
	url := redistest.Start(b).URL()
	l, raw := dial(b, url), client(b, url)
	a, other := NewUsers(l, "p", "a"), NewUsers(l, "p", "b")
	fill := func(u *Users, n int, prefix string) {
		var ids []string
		for i := range n {
			user := store.User{ID: fmt.Sprintf("%s-%018d", prefix, i), Name: fmt.Sprint("name", i), Room: fmt.Sprint("room", i%500)}
			u.local.put(user, seqNone)
			ids = append(ids, user.ID)
		}
		for chunk := range slices.Chunk(ids, usersPerScript) {
			if err := u.restore(context.Background(), chunk); err != nil {
				b.Fatal(err)
			}
		}
	}
	report := func(b *testing.B, per int) {
		info := raw.Info(b.Context(), "commandstats").Val()
		for line := range strings.Lines(info) {
			if strings.HasPrefix(line, "cmdstat_evalsha:") {
				var calls, usec int
				var each float64
				fmt.Sscanf(strings.TrimPrefix(line, "cmdstat_evalsha:"), "calls=%d,usec=%d,usec_per_call=%f", &calls, &usec, &each)
				b.ReportMetric(each, "redis-µs/call")
				b.ReportMetric(each/float64(per), "redis-µs/user")
			}
		}
	}
	fill(other, 50_000, "other")
	reset := func() { raw.ConfigResetStat(context.Background()) }
	b.Run("restore", func(b *testing.B) {
		reset()
		for b.Loop() {
			fill(a, 50_000, "mine")
		}
		report(b, usersPerScript)
	})
	b.Run("save and delete", func(b *testing.B) {
		reset()
		for b.Loop() {
			u := store.User{ID: "x", Name: "n", Room: "room1"}
			save(b, a, u)
			if _, ok, _ := a.DeleteUser(b.Context(), "x"); !ok {
				b.Fatal("not there")
			}
		}
		report(b, 1)
	})
	b.Run("list 100", func(b *testing.B) {
		for b.Loop() {
			if users, _ := a.GetRoomUsers(b.Context(), "room1"); len(users) != 200 {
				b.Fatal(len(users))
			}
		}
	})
	b.Run("repair", func(b *testing.B) {
		for b.Loop() {
			if err := a.Repair(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("release", func(b *testing.B) {
		for b.Loop() {
			fill(a, 50_000, "mine")
			reset()
			if got, err := other.Release(b.Context(), "a"); err != nil || len(got) < 50_000 {
				b.Fatal(len(got), err)
			}
			report(b, usersPerScript)
		}
	})
}
