package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/auth"
	"signalbox/server/hub"
)

// watchAnswers notes how many answers nodes give, and how long the longest is.
func watchAnswers(w *testkit.Town) (answers, longest *atomic.Int64) {
	answers, longest = new(atomic.Int64), new(atomic.Int64)
	for _, n := range w.Cloud.All() {
		for topic, call := range n.Asks {
			n.Asks[topic] = func(ctx context.Context, body []byte) []byte {
				a := call(ctx, body)
				answers.Add(1)
				longest.Store(max(longest.Load(), int64(len(a))))
				return a
			}
		}
	}
	return answers, longest
}

// fill has n users come to each node's room; every tenth of a node is there at the next one too.
func fill(w *testkit.Town, room string, n int, name string) {
	for i, h := range w.Houses {
		for u := range n {
			user := fmt.Sprintf("%d-%04d", i, u)
			if u%10 == 0 {
				user = fmt.Sprintf("both-%04d", u)
			}
			c := h.Chat(h.Token(user, func(c *auth.Claims) { c.Name = name }))
			h.Hub.Join(c.Member(), hub.Room{Kind: hub.KindRoom, Name: room}) // nobody is to hear of it
		}
	}
	w.Settle()
}

func TestPresenceOfALargeRoomComesInPages(t *testing.T) {
	w := testkit.NewTown(t, 2)
	fill(w, "hall", 600, strings.Repeat("<", 300))
	w.Houses[1].WS("").Say(`{"type":"join","room":"hall"}`)
	_, longest := watchAnswers(w)
	asker := w.Houses[0].Chat(w.Houses[0].Token("asker"))
	seen := make(map[string]int)
	cursor, pages := "", 0
	for {
		asker.Ask("presence", `{"roomId":"hall","limit":250,"cursor":"`+cursor+`"}`)
		var got struct {
			OK, Partial bool
			Users       []struct {
				UserID      string
				Connections int
			}
			Nameless, Count int
			Next            string
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(asker.Take()[0], "ack ")), &got); err != nil || !got.OK || got.Partial {
			t.Fatalf("page %d: %+v, %v", pages, got, err)
		}
		if got.Nameless != 1 || got.Count != 1201 || len(got.Users) > 250 {
			t.Errorf("page %d: %d users, %d nameless of %d, want at most 250, 1 of 1201", pages, len(got.Users), got.Nameless, got.Count)
		}
		for _, u := range got.Users {
			if _, ok := seen[u.UserID]; ok {
				t.Fatalf("%s is there twice", u.UserID)
			}
			seen[u.UserID] = u.Connections
		}
		if pages++; got.Next == "" {
			break
		}
		cursor = got.Next
	}
	if len(seen) != 2*540+60 || seen["both-0050"] != 2 || seen["1-0599"] != 1 {
		t.Errorf("%d users in %d pages, %d connections of one at both nodes", len(seen), pages, seen["both-0050"])
	}
	users, nameless, complete := w.Houses[1].Presence.RoomUsers(t.Context(), "hall")
	if len(users) != len(seen) || nameless != 1 || !complete {
		t.Errorf("RoomUsers = %d users, %d nameless, %v", len(users), nameless, complete)
	}
	if longest.Load() > hub.MaxAnswerBytes || longest.Load() < 100_000 {
		t.Errorf("the longest answer has %d bytes", longest.Load())
	}
	for _, bad := range []string{`{"roomId":"hall","limit":0}`, `{"roomId":"hall","limit":"x"}`, `{"roomId":"hall","cursor":5}`, `{"roomId":"hall","cursor":"!"}`} {
		asker.Ask("presence", bad)
		asker.Want(`error {"message":"Invalid message"}`, `ack {"ok":false,"error":"Invalid message"}`)
	}
}

// Many who ask about a large room at once make one question in a second of it; small rooms are told as they are.
func TestPresenceOfALargeRoomIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewTown(t, 2)
		fill(w, "hall", 600, "n")
		answers, _ := watchAnswers(w)
		a := w.Houses[0]
		asker := a.Chat(a.Token("asker"))
		for range 50 {
			asker.Ask("presence", `{"roomId":"hall"}`)
		}
		if n := answers.Load(); n > 2 { // the first shows that it is large
			t.Errorf("%d answers for 50 questions, want two", n)
		}
		asker.Take()
		asker.Say("join_room", `"hall"`)
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		page, complete := a.Presence.RoomPage(t.Context(), "hall", "", 1)
		if page.Connections != 1201 || !complete {
			t.Errorf("%d connections a second later, %v, want 1201", page.Connections, complete)
		}
		asker.Say("join_room", `"den"`)
		if page, _ := a.Presence.RoomPage(t.Context(), "den", "", 1); page.Connections != 1 {
			t.Errorf("%d connections in a small room at once, want 1", page.Connections)
		}
		asker.Say("leave_room", `"den"`)
		if page, _ := a.Presence.RoomPage(t.Context(), "den", "", 1); page.Connections != 0 {
			t.Errorf("%d connections in a small room, want none", page.Connections)
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestRoomsComeInPages(t *testing.T) {
	w := testkit.NewTown(t, 2)
	for i, h := range w.Houses {
		c := h.WS("")
		for r := range 700 {
			c.Say(fmt.Sprintf(`{"type":"join","room":"%d-%s-%04d"}`, i*(r%2), strings.Repeat("x", 400), r))
		}
	}
	w.Settle()
	_, longest := watchAnswers(w)
	var names []string
	var after *hub.Room
	for {
		rooms, more, complete := w.Houses[0].Presence.ListRooms(t.Context(), []hub.Kind{hub.KindRoom}, "", after, 300)
		if !complete || len(rooms) > 300 || len(rooms) == 0 {
			t.Fatalf("%d rooms, complete: %v", len(rooms), complete)
		}
		for _, r := range rooms {
			names = append(names, r.Room.Name)
			even := strings.HasSuffix(r.Room.Name, "0")
			if want := map[bool]int{true: 2, false: 1}[even]; even && r.Members != want {
				t.Errorf("%s has %d members, want %d", r.Room.Name, r.Members, want)
			}
		}
		if !more {
			break
		}
		after = &rooms[len(rooms)-1].Room
	}
	if len(names) != 1050 || !slices.IsSorted(names) || len(slices.Compact(names)) != 1050 {
		t.Errorf("%d rooms, want 1050, each once and in order", len(names))
	}
	if longest.Load() > hub.MaxAnswerBytes {
		t.Errorf("the longest answer has %d bytes", longest.Load())
	}
}
