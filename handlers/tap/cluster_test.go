package tap_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/tap"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/store"
)

// notices is a [store.LeaveNotices] in memory.
type notices struct {
	mu     sync.Mutex
	list   []store.LeaveNotice
	writes int
}

func (w *notices) AddNotice(one store.LeaveNotice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, one)
	w.writes++
}

func (w *notices) WithdrawNotice(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.IndexFunc(w.list, func(o store.LeaveNotice) bool { return o.Key == key }); i >= 0 {
		w.list = slices.Delete(w.list, i, i+1)
	}
}

func (w *notices) TakeOver(context.Context, string) bool { return false }

// record returns the id and the data of a line.
func record(line string) (id, data string) {
	id, data, _ = strings.Cut(strings.TrimPrefix(line, "id: "), " | data: ")
	return id, data
}

func data(lines []string) []string {
	all := make([]string, len(lines))
	for i, l := range lines {
		_, all[i] = record(l)
	}
	return all
}

func TestTapReachesTheStreamsOfEveryNode(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, _ := testkit.NewHouses(t, c, 3)
	taps := make([]*testkit.Texter, 3)
	streams := make([]*testkit.Listener, 3)
	for i, h := range houses {
		taps[i], streams[i] = h.Text(h.Tap.Text(), ""), h.Events()
	}
	taps[0].Say("{\"connectionId\":1,\n\"x\":1.0}")
	c.Settle()
	taps[1].Say(`{"connectionId":"2"}`)
	c.Settle()
	taps[0].Leave()
	c.Settle()
	want := []string{`{"connectionId":1,"x":1.0}`, `{"connectionId":"2"}`, `{"close":{"connectionId":1}}`}
	ids := make(map[string]int)
	for i, s := range streams {
		lines := s.Take()
		if got := data(lines); !slices.Equal(got, want) {
			t.Errorf("stream %d got %q, want %q", i, got, want)
		}
		for _, l := range lines {
			id, _ := record(l)
			id, _, _ = strings.Cut(id, ",")
			ids[id]++
		}
	}
	if len(ids) != len(want) {
		t.Errorf("ids %v, want %d", ids, len(want))
	}
	if stats := houses[1].Tap.Stats(); stats.Messages.Load() != 1 {
		t.Errorf("Messages = %d, want those of the node's own clients: 1", stats.Messages.Load())
	}
	if n := len(houses[2].Hub.Members(tap.Listeners)); n != 1 {
		t.Errorf("%d members listen, want 1", n)
	}
}

func TestTapReplayOnAnotherNode(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, _ := testkit.NewHouses(t, c, 2)
	one, two := houses[0], houses[1]
	in, stream := one.Text(one.Tap.Text(), ""), one.Events()
	other := two.Text(two.Tap.Text(), "")
	for i := 1; i <= 3; i++ {
		in.Say(fmt.Sprintf(`{"connectionId":1,"n":%d}`, i))
		c.Settle()
	}
	last, _ := record(stream.Take()[2])
	stream.Leave()
	for i := 4; i <= 6; i++ {
		in.Say(fmt.Sprintf(`{"connectionId":1,"n":%d}`, i))
		other.Say(fmt.Sprintf(`{"connectionId":2,"n":%d}`, i))
		c.Settle()
	}
	for i, h := range houses {
		moved, got := h.Back(last)
		if len(got) != 6 {
			t.Errorf("node %d replays %q, want what came after %s", i, got, last)
		}
		_, all := h.Back(strings.Split(last, "-")[0] + "-0")
		if len(all) != 9 {
			t.Errorf("node %d replays %d to who has seen nothing of that process, want all", i, len(all))
		}
		end, _ := record(got[5])
		if _, none := h.Back(end); len(none) != 0 {
			t.Errorf("node %d replays %q after the last", i, none)
		}
		moved.Leave()
	}
}

func TestTapReplayOfIDsThatAreNotKept(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, _ := testkit.NewHouses(t, c, 2)
	one, two := houses[0], houses[1]
	in, other := one.Text(one.Tap.Text(), ""), two.Text(two.Tap.Text(), "")
	stream := two.Events()
	in.Say(`{"connectionId":1}`)
	c.Settle()
	first, _ := record(stream.Take()[0])
	for range tap.ReplayMessages {
		other.Say(`{"connectionId":2}`)
	}
	c.Settle()
	// The other process is not in the buffer any more.
	if _, got := two.Back(first); len(got) != tap.ReplayMessages {
		t.Errorf("%d messages are replayed, want all that are kept", len(got))
	}
	for name, tc := range map[string]struct {
		id   string
		want int
	}{
		"a later process without a cluster": {one.Tap.Place(1e6, "", 1), 0},
		"an earlier one":                    {one.Tap.Place(-1e6, "", 1), tap.ReplayMessages},
		"a node that nobody has heard of":   {one.Tap.Place(1e6, "abc", 1), tap.ReplayMessages},
		"a tag that is none":                {"abc.A-1", 0},
		"an empty tag":                      {"abc.-1", 0},
		"a list that breaks off":            {first + ",", 0},
		"too many places":                   {strings.Repeat(first+",", tap.MaxPlaces) + first, 0},
	} {
		if _, got := two.Back(tc.id); len(got) != tc.want {
			t.Errorf("%s: %d messages are replayed, want %d", name, len(got), tc.want)
		}
	}
}

// A stream that is cut at any moment and comes back to another node has everything once, though nodes do not agree on the
// order in which messages came.
func TestTapReplayIsExactBetweenNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		c.Delay = 40 * time.Millisecond
		houses, _ := testkit.NewHouses(t, c, 3)
		var sent []string
		var taps []*testkit.Texter
		for _, h := range houses {
			taps = append(taps, h.Text(h.Tap.Text(), ""))
		}
		stop := make(chan struct{})
		var mu sync.Mutex
		var senders sync.WaitGroup
		for i, in := range taps {
			senders.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(5+rand.IntN(60)) * time.Millisecond):
					}
					if i == 2 && n%20 == 0 {
						time.Sleep(3 * time.Second) // longer than an id remembers it
					}
					message := fmt.Sprintf(`{"connectionId":%d,"n":%d}`, i+1, n)
					mu.Lock()
					sent = append(sent, message)
					mu.Unlock()
					in.Say(message)
				}
			})
		}
		var got []string
		last := ""
		stream := houses[0].Events()
		for range 60 {
			time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
			stream.Leave()
			lines := stream.Take()
			if len(lines) > 0 {
				last, _ = record(lines[len(lines)-1])
			}
			got = append(got, data(lines)...)
			time.Sleep(time.Duration(45+rand.IntN(300)) * time.Millisecond) // at least what a message takes
			var replayed []string
			stream, replayed = houses[rand.IntN(3)].Back(last)
			if len(replayed) > 0 {
				last, _ = record(replayed[len(replayed)-1])
			}
			got = append(got, data(replayed)...)
		}
		close(stop)
		senders.Wait()
		time.Sleep(time.Second)
		got = append(got, data(stream.Take())...)
		stream.Leave()
		for i := range taps {
			taps[i].Leave()
		}
		count := make(map[string]int)
		for _, m := range got {
			count[m]++
		}
		bad := 0
		for _, m := range sent {
			if count[m] != 1 {
				bad++
			}
		}
		if bad > 0 || len(got) != len(sent) {
			t.Errorf("of %d messages %d came not exactly once; %d came", len(sent), bad, len(got))
		}
		next := make(map[string]int)
		for _, m := range got {
			id, n, _ := strings.Cut(m, `,"n":`)
			var number int
			fmt.Sscanf(n, "%d}", &number)
			if number != next[id] {
				t.Fatalf("%s came as number %d of its client", m, next[id])
			}
			next[id]++
		}
	})
}

func TestTapTellsOfClientsWhoseNodeDies(t *testing.T) {
	c := testkit.NewCloud(t)
	left := new(notices)
	houses, _ := testkit.NewHouses(t, c, 2, func(o *testkit.Options) { o.Notices = left })
	one, two := houses[0], houses[1]
	stream, near := two.Events(), one.Events()
	gone, stays, silent := one.Text(one.Tap.Text(), ""), one.Text(one.Tap.Text(), ""), one.Text(one.Tap.Text(), "")
	refused := one.Text(one.Tap.Text(), "")
	gone.Say(`{"connectionId":"a"}`)
	gone.Say(`{"connectionId":"b"}`)
	stays.Say(`{"connectionId":3}`)
	refused.LeaveWith(app.ReasonNotOpened)
	c.Settle()
	stream.Take()
	near.Take()
	gone.Leave() // in good order: it is told once, and nothing is left behind
	c.Settle()
	if got := data(stream.Take()); !slices.Equal(got, []string{`{"close":{"connectionId":"b"}}`}) {
		t.Errorf("the stream got %q, want the end of b", got)
	}
	near.Take()
	if len(left.list) != 2 {
		t.Fatalf("%d notices are left behind, want 2", len(left.list))
	}
	two.CarryOut("node0", append(slices.Clone(left.list), store.LeaveNotice{Topic: tap.TopicNotice, Body: []byte("{")}))
	c.Settle()
	got := data(stream.Take())
	slices.Sort(got)
	if want := []string{`{"close":{"connectionId":3}}`, `{"close":{}}`}; !slices.Equal(got, want) {
		t.Errorf("the stream got %q, want %q", got, want)
	}
	if got := data(near.Take()); len(got) != 2 {
		t.Errorf("the stream of another node got %q, want both ends", got)
	}
	stays.LeaveWith(app.ReasonShutdown) // the streams are told at once
	silent.Leave()
	c.Settle()
	if got := data(stream.Take()); len(got) != 2 || len(left.list) != 0 {
		t.Errorf("the stream got %q and %d notices are left, want two ends and none", got, len(left.list))
	}
}

func TestTapDropsWhatNoNodeSays(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, _ := testkit.NewHouses(t, c, 2)
	stream := houses[0].Events()
	for _, body := range []string{"", "1-1", "1-1\n", "x\n{}", "1-1\n{}\n\ndata: 1", "1-1\n{\r}", "1.-1\n{}", "-1\n{}"} {
		houses[1].Hub.Bus.(*testkit.CloudNode).Tell(tap.TellTap, []byte(body))
	}
	c.Settle()
	testkit.WantNothing(stream)
	houses[1].Hub.Bus.(*testkit.CloudNode).Tell(tap.TellTap, []byte("1.a-1\n{}"))
	c.Settle()
	if got := data(stream.Take()); len(got) != 1 {
		t.Errorf("the stream got %q, want what is well written", got)
	}
}

// A client that calls itself another with each frame does not write to Redis with each.
func TestTapNoticesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := new(notices)
		h := testkit.New(t, func(o *testkit.Options) { o.Notices = left })
		in := h.Text(h.Tap.Text(), "")
		say := func(n int) {
			for i := range n {
				in.Say(fmt.Sprintf(`{"connectionId":"%d"}`, i))
			}
		}
		say(1000)
		if left.writes != 2 || string(left.list[0].Body) != `{"close":{"connectionId":"0"}}` {
			t.Errorf("1000 frames: %d notices, the last %s, want one at the start and one for the first", left.writes, left.list[0].Body)
		}
		time.Sleep(10 * time.Second)
		say(8)
		if left.writes != 3 {
			t.Errorf("%d notices after a pause, want 3", left.writes)
		}
		time.Sleep(10 * time.Second)
		in.Say(`{"connectionId":"7"}`) // the same as last time: what the notice says is late all the same
		if left.writes != 4 || string(left.list[0].Body) != `{"close":{"connectionId":"7"}}` {
			t.Errorf("%d notices, the last %s, want 4 and the last id", left.writes, left.list[0].Body)
		}
		in.Leave()
		if len(left.list) != 0 {
			t.Errorf("%d notices are left behind", len(left.list))
		}
	})
}
