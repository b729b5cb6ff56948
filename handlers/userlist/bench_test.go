package userlist_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
)

func BenchmarkRoomMessage(b *testing.B) {
	for _, users := range []int{1, 300} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			w := testkit.NewWorld(b, testkit.RootOptions{})
			var sender app.Session
			for i := range users {
				var s *testkit.Silent
				s, sender = w.Silent(b, fmt.Sprint("s", i))
				login := testkit.Event("login", `{"name":"n","room":"r"}`)
				login.Ack = app.NewAcker(s, "1")
				sender.Event(login)
			}
			e := testkit.Event("roomMessage", `"`+strings.Repeat("x", 200)+`"`)
			b.ReportAllocs()
			for b.Loop() {
				sender.Event(e)
			}
		})
	}
}

// BenchmarkLoginStorm is 300 clients that log in to one room at once.
func BenchmarkLoginStorm(b *testing.B) {
	const clients = 300
	b.ReportAllocs()
	var lists uint64
	for b.Loop() {
		w := testkit.NewWorld(b, testkit.RootOptions{})
		var wg sync.WaitGroup
		for i := range clients {
			s, session := w.Silent(b, fmt.Sprintf("abcdefghijklmnop%04d", i))
			e := testkit.Event("login", fmt.Sprintf(`{"name":"name%d","room":"room"}`, i))
			e.Ack = app.NewAcker(s, "1")
			wg.Go(func() { session.Event(e) })
		}
		wg.Wait()
		lists += w.Chat.Stats().UserLists.Load()
		w.Chat.Close()
	}
	b.ReportMetric(float64(lists)/float64(b.N), "lists/op")
}
