package handlers

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

	"signalbox/server/app"
	"signalbox/store"
)

// wills is a [store.Wills] in memory.
type wills struct {
	mu   sync.Mutex
	list []store.Will
}

func (w *wills) Will(one store.Will) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, one)
}

func (w *wills) Unwill(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.IndexFunc(w.list, func(o store.Will) bool { return o.Key == key }); i >= 0 {
		w.list = slices.Delete(w.list, i, i+1)
	}
}

func (w *wills) Claim(context.Context, string) bool { return false }

// back returns a stream that comes with the id of the last record it got, and what it gets at once.
func (h *house) back(lastID string) (*listener, []string) {
	c := h.stream(h.doors.Events.All(), visit("", nil, map[string]string{"Last-Event-ID": lastID}))
	return c, c.take()[1:]
}

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
	c := newCloud(t)
	houses, _ := newHouses(t, c, 3)
	taps := make([]*texter, 3)
	streams := make([]*listener, 3)
	for i, h := range houses {
		taps[i], streams[i] = h.text(h.doors.Tap.Text(), ""), h.events()
	}
	taps[0].send("{\"connectionId\":1,\n\"x\":1.0}")
	c.settle()
	taps[1].send(`{"connectionId":"2"}`)
	c.settle()
	taps[0].leave()
	c.settle()
	want := []string{`{"connectionId":1,"x":1.0}`, `{"connectionId":"2"}`, `{"close":{"connectionId":1}}`}
	ids := make(map[string]int)
	for i, s := range streams {
		lines := s.take()
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
	if stats := houses[1].doors.Stats(); stats.TapMessages != 1 {
		t.Errorf("TapMessages = %d, want those of the node's own clients: 1", stats.TapMessages)
	}
	if n := len(houses[2].hub.Members(topicTap)); n != 1 {
		t.Errorf("%d members listen, want 1", n)
	}
}

func TestTapReplayOnAnotherNode(t *testing.T) {
	c := newCloud(t)
	houses, _ := newHouses(t, c, 2)
	one, two := houses[0], houses[1]
	tap, stream := one.text(one.doors.Tap.Text(), ""), one.events()
	other := two.text(two.doors.Tap.Text(), "")
	for i := 1; i <= 3; i++ {
		tap.send(fmt.Sprintf(`{"connectionId":1,"n":%d}`, i))
		c.settle()
	}
	last, _ := record(stream.take()[2])
	stream.leave()
	for i := 4; i <= 6; i++ {
		tap.send(fmt.Sprintf(`{"connectionId":1,"n":%d}`, i))
		other.send(fmt.Sprintf(`{"connectionId":2,"n":%d}`, i))
		c.settle()
	}
	for i, h := range houses {
		moved, got := h.back(last)
		if len(got) != 6 {
			t.Errorf("node %d replays %q, want what came after %s", i, got, last)
		}
		_, all := h.back(strings.Split(last, "-")[0] + "-0")
		if len(all) != 9 {
			t.Errorf("node %d replays %d to who has seen nothing of that process, want all", i, len(all))
		}
		end, _ := record(got[5])
		if _, none := h.back(end); len(none) != 0 {
			t.Errorf("node %d replays %q after the last", i, none)
		}
		moved.leave()
	}
}

func TestTapReplayOfIDsThatAreNotKept(t *testing.T) {
	c := newCloud(t)
	houses, _ := newHouses(t, c, 2)
	one, two := houses[0], houses[1]
	tap, other := one.text(one.doors.Tap.Text(), ""), two.text(two.doors.Tap.Text(), "")
	stream := two.events()
	tap.send(`{"connectionId":1}`)
	c.settle()
	first, _ := record(stream.take()[0])
	for range replayMessages {
		other.send(`{"connectionId":2}`)
	}
	c.settle()
	// The other process is not in the buffer any more.
	if _, got := two.back(first); len(got) != replayMessages {
		t.Errorf("%d messages are replayed, want all that are kept", len(got))
	}
	run := one.doors.Tap.recent.run
	for name, tc := range map[string]struct {
		id   string
		want int
	}{
		"a later process without a cluster": {string(appendPlace(nil, tapPlace{tapRun{run.began + 1e6, ""}, 1})), 0},
		"an earlier one":                    {string(appendPlace(nil, tapPlace{tapRun{run.began - 1e6, ""}, 1})), replayMessages},
		"a node that nobody has heard of":   {string(appendPlace(nil, tapPlace{tapRun{run.began + 1e6, "abc"}, 1})), replayMessages},
		"a tag that is none":                {"abc.A-1", 0},
		"an empty tag":                      {"abc.-1", 0},
		"a list that breaks off":            {first + ",", 0},
		"too many places":                   {strings.Repeat(first+",", maxTapPlaces) + first, 0},
	} {
		if _, got := two.back(tc.id); len(got) != tc.want {
			t.Errorf("%s: %d messages are replayed, want %d", name, len(got), tc.want)
		}
	}
}

// A stream that is cut at any moment and comes back to another node has everything once, though nodes do not agree on the
// order in which messages came.
func TestTapReplayIsExactBetweenNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.delay = 40 * time.Millisecond
		houses, _ := newHouses(t, c, 3)
		var sent []string
		var taps []*texter
		for _, h := range houses {
			taps = append(taps, h.text(h.doors.Tap.Text(), ""))
		}
		stop := make(chan struct{})
		var mu sync.Mutex
		var senders sync.WaitGroup
		for i, tap := range taps {
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
					tap.send(message)
				}
			})
		}
		var got []string
		last := ""
		stream := houses[0].events()
		for range 60 {
			time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
			stream.leave()
			lines := stream.take()
			if len(lines) > 0 {
				last, _ = record(lines[len(lines)-1])
			}
			got = append(got, data(lines)...)
			time.Sleep(time.Duration(45+rand.IntN(300)) * time.Millisecond) // at least what a message takes
			var replayed []string
			stream, replayed = houses[rand.IntN(3)].back(last)
			if len(replayed) > 0 {
				last, _ = record(replayed[len(replayed)-1])
			}
			got = append(got, data(replayed)...)
		}
		close(stop)
		senders.Wait()
		time.Sleep(time.Second)
		got = append(got, data(stream.take())...)
		stream.leave()
		for i := range taps {
			taps[i].leave()
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
	c := newCloud(t)
	left := new(wills)
	houses, _ := newHouses(t, c, 2, func(o *DoorsOptions) { o.Wills = left })
	one, two := houses[0], houses[1]
	stream, near := two.events(), one.events()
	gone, stays, silent := one.text(one.doors.Tap.Text(), ""), one.text(one.doors.Tap.Text(), ""), one.text(one.doors.Tap.Text(), "")
	refused := one.text(one.doors.Tap.Text(), "")
	gone.send(`{"connectionId":"a"}`)
	gone.send(`{"connectionId":"b"}`)
	stays.send(`{"connectionId":3}`)
	refused.leaveWith(app.ReasonNotOpened)
	c.settle()
	stream.take()
	near.take()
	gone.leave() // in good order: it is told once, and nothing is left behind
	c.settle()
	if got := data(stream.take()); !slices.Equal(got, []string{`{"close":{"connectionId":"b"}}`}) {
		t.Errorf("the stream got %q, want the end of b", got)
	}
	near.take()
	if len(left.list) != 2 {
		t.Fatalf("%d wills are left behind, want 2", len(left.list))
	}
	two.doors.Execute(append(slices.Clone(left.list), store.Will{Topic: willTap, Body: []byte("{")}))
	c.settle()
	got := data(stream.take())
	slices.Sort(got)
	if want := []string{`{"close":{"connectionId":3}}`, `{"close":{}}`}; !slices.Equal(got, want) {
		t.Errorf("the stream got %q, want %q", got, want)
	}
	if got := data(near.take()); len(got) != 2 {
		t.Errorf("the stream of another node got %q, want both ends", got)
	}
	stays.leaveWith(reasonShutdown) // the streams are told at once
	silent.leave()
	c.settle()
	if got := data(stream.take()); len(got) != 2 || len(left.list) != 0 {
		t.Errorf("the stream got %q and %d wills are left, want two ends and none", got, len(left.list))
	}
}

func TestTapDropsWhatNoNodeSays(t *testing.T) {
	c := newCloud(t)
	houses, _ := newHouses(t, c, 2)
	stream := houses[0].events()
	for _, body := range []string{"", "1-1", "1-1\n", "x\n{}", "1-1\n{}\n\ndata: 1", "1-1\n{\r}", "1.-1\n{}", "-1\n{}"} {
		houses[1].hub.Bus.(*cloudNode).Tell(tellTap, []byte(body))
	}
	c.settle()
	wantNothing(stream)
	houses[1].hub.Bus.(*cloudNode).Tell(tellTap, []byte("1.a-1\n{}"))
	c.settle()
	if got := data(stream.take()); len(got) != 1 {
		t.Errorf("the stream got %q, want what is well written", got)
	}
}

func FuzzTapID(f *testing.F) {
	for _, seed := range []string{"1-1", "mg.a2-5,mg.b3-7", "", ",", "1-1,", "-", "zzzzzzzzzzzzzz-1", "1.A-1"} {
		f.Add(seed)
	}
	h := newHouse(f)
	tap := h.text(h.doors.Tap.Text(), "")
	for i := range 5 {
		tap.send(fmt.Sprintf(`{"connectionId":1,"n":%d}`, i))
	}
	f.Fuzz(func(t *testing.T, id string) {
		h.doors.Tap.recent.missed(id)
		places := parsePlaces(id)
		var text []byte
		for i, p := range places {
			if i > 0 {
				text = append(text, ',')
			}
			text = appendPlace(text, p)
		}
		if again := parsePlaces(string(text)); !slices.Equal(again, places) {
			t.Fatalf("%q is read as %v, and again as %v", id, places, again)
		}
	})
}
