package hooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
)

// memoryStore keeps notices as a file does.
type memoryStore struct {
	deleted chan string // nil: nobody looks

	mu   sync.Mutex
	kept map[string]router.Notice
}

func (s *memoryStore) Put(n router.Notice, done func(error)) {
	s.mu.Lock()
	s.kept[n.ID] = n
	s.mu.Unlock()
	if done != nil {
		done(nil)
	}
}

func (s *memoryStore) Delete(ids ...string) {
	s.mu.Lock()
	for _, id := range ids {
		delete(s.kept, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		if s.deleted != nil {
			s.deleted <- id
		}
	}
}

func (s *memoryStore) list() (out []router.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.kept {
		out = append(out, n)
	}
	return out
}

// TestOneDisconnectForEveryConnect: also for clients that were there when the process ended without a word.
func TestOneDisconnectForEveryConnect(t *testing.T) {
	var mu sync.Mutex
	admitted, told := make(map[string]bool), make(map[string]int)
	b := newBackend(t, func(w http.ResponseWriter, r request) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range r.Events {
			switch e["type"] {
			case "connect":
				if e["ns"] == "/shop-closed" {
					same(w, r, `{"refuse":{"message":"no"}}`)
					return
				}
				admitted[e["socket"].(string)] = true
			case "disconnect":
				told[e["socket"].(string)+" "+fmt.Sprint(e["reason"])]++
			}
		}
		same(w, r, `{"user":"7"}`)
	})
	store := &memoryStore{kept: make(map[string]router.Notice), deleted: make(chan string, 10)}
	url, h, _ := serve(t, Options{URL: b.web.URL, OutsideOptions: router.OutsideOptions{
		Notices: router.NewNotices(router.NoticeOptions{Store: store, Log: quiet})}})
	gone, stays, refused := testkit.Dial(t, url), testkit.Dial(t, url), testkit.Dial(t, url)
	goneID, staysID := gone.Join("/game", ""), stays.Join("/game", "")
	refused.Send("40/shop-closed,")
	refused.Read()
	gone.Send("41/game,")
	<-store.deleted // of who was refused
	<-store.deleted // of who is gone

	// Another process finds what this one would have left behind.
	left := store.list()
	next := New(Options{URL: b.web.URL, Keys: h.client.target.Load().keys, OutsideOptions: router.OutsideOptions{Log: quiet,
		Notices: router.NewNotices(router.NoticeOptions{Store: &memoryStore{kept: make(map[string]router.Notice)}, Log: quiet})}})
	next.Restore(left)
	next.Close(t.Context())
	mu.Lock()
	defer mu.Unlock()
	want := map[string]int{goneID + " client namespace disconnect": 1, staysID + " server gone": 1}
	if len(admitted) != 2 || fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("admitted %v, told %v, want %v", admitted, told, want)
	}
}

// TestNoticesAreToldAgain in order for each socket, and one that is refused by itself holds up nobody else.
func TestNoticesAreToldAgain(t *testing.T) {
	var mu sync.Mutex
	var told []string
	failures := 1
	b := newBackend(t, func(w http.ResponseWriter, r request) {
		mu.Lock()
		defer mu.Unlock()
		if failures--; failures >= 0 {
			w.WriteHeader(500)
			return
		}
		for _, e := range r.Events {
			if e["id"] == "poison" {
				w.WriteHeader(400)
				return
			}
		}
		for _, e := range r.Events {
			told = append(told, e["id"].(string))
		}
	})
	var kept []router.Notice
	for _, id := range []string{"a1", "poison", "a2", "c1", "b1", "a3", "p2"} {
		kept = append(kept, router.Notice{ID: id, Socket: id[:1], Since: time.Now(), Body: []byte(`{"id":"` + id + `"}`)})
	}
	store := &memoryStore{kept: make(map[string]router.Notice), deleted: make(chan string, 10)}
	h := New(Options{URL: b.web.URL, Keys: mustKeys(t), OutsideOptions: router.OutsideOptions{Log: quiet,
		Notices: router.NewNotices(router.NoticeOptions{Store: store, Log: quiet})}})
	h.Restore(kept)
	for range 5 {
		<-store.deleted
	}
	if s := h.Stats().Notices; s.Waiting != 2 {
		t.Errorf("%d wait, want the poison and what is behind it", s.Waiting)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	h.Close(over)
	mu.Lock()
	defer mu.Unlock()
	if i, j, k := slices.Index(told, "a1"), slices.Index(told, "a2"), slices.Index(told, "a3"); i < 0 || i > j || j > k {
		t.Errorf("told %q, want a1, a2, a3 in order", told)
	}
}

func mustKeys(t *testing.T) Keys {
	keys, err := ParseKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
